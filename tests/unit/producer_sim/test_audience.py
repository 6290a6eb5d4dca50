"""Users before a page: what they see and click is on the topic, marked, and in time."""

from collections import Counter
from collections.abc import Iterator

import orjson
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import IMPRESSION, ClickEvent
from contracts.holdout import Holdout
from contracts.recommendations import Recommendations
from contracts.settings import Settings
from producer_sim.audience import Audience, LoopPlan, merged
from producer_sim.faults import FaultPlan
from producer_sim.outgoing import IMPRESSION_LIST, NO_EVENT, Outgoing, Portion
from producer_sim.recommendations import Answer, RecommendationClient
from producer_sim.sources import Simulation
from tests.unit.contracts.test_cards import page
from tests.unit.producer_sim.making import MONDAY_MS, NOW_MS, make_traffic

SLICE_MS = 2_000
NO_FAULTS = FaultPlan()


class Answering(RecommendationClient):
    """A service that answers at once, each user alike."""

    def __init__(self, *genres: tuple[str, str, list[str]]) -> None:
        super().__init__("http://localhost:1")
        self._genres = genres
        self._answers: list[Answer] = []
        self.users: list[str] = []
        self.pages: list[Recommendations] = []

    def ask(self, user: int, user_id: str) -> None:
        self.users.append(user_id)
        self.pages.append(page(*self._genres, name=f"r{len(self.pages)}"))
        self._answers.append(Answer(user, self.pages[-1]))

    def collect(self) -> list[Answer]:
        answers, self._answers = self._answers, []
        return answers


def run(
    client: Answering,
    *,
    holdout: float = 0.2,
    faults: FaultPlan = NO_FAULTS,
    slices: int = 60,
    after_ms: int = 0,
) -> tuple[Audience, list[Outgoing]]:
    traffic = make_traffic(events_per_second=20.0, slice_ms=SLICE_MS)
    simulation = Simulation(
        traffic, faults, Settings(), seed=1, partition_for=lambda key: key[-1] % 3
    )
    audience = Audience(
        traffic,
        LoopPlan("http://localhost:1", Holdout(holdout, 1), visits=0.5, after_ms=after_ms),
        seed=1,
        client=client,
        partition_for=lambda key: key[-1] % 3,
    )
    portions: Iterator[Portion] = audience.portions(simulation.portions(None))
    made = [portion.make(NOW_MS) for portion, _ in zip(portions, range(slices), strict=False)]
    client.close()
    return audience, made


def shown() -> Answering:
    return Answering(
        ("crime", "taste", ["s0000", "s0001"]),
        ("romance", "rising", ["s0000", "s0100"]),
        ("war", "new", ["unheard of"]),
    )


def events_of(made: list[Outgoing]) -> list[ClickEvent]:
    return [
        ClickEvent.model_validate(orjson.loads(value or b""))
        for part in made
        for value in part.values
    ]


def test_every_page_is_impressions_of_its_cards_and_some_are_clicked() -> None:
    client = shown()
    audience, made = run(client)
    events = [
        ClickEvent.model_validate(orjson.loads(v or b"")) for part in made for v in part.values
    ]
    own = [event for event in events if event.recommendation_id is not None]
    impressions = Counter((e.recommendation_id, e.show_id) for e in own if e.action == IMPRESSION)
    pages = {p.recommendation_id: p for p in client.pages}
    shown_pages = {name for name, _ in impressions}
    assert shown_pages == set(pages)
    assert set(impressions) == {(name, show) for name in pages for show in ("s0000", "s0100")}
    assert set(impressions.values()) == {1}
    clicks = [event for event in own if event.action != IMPRESSION]
    assert 0 < len(clicks) < len(pages)
    for event in clicks:
        assert (event.recommendation_id, event.show_id) in impressions
    seen = audience.seen
    assert (seen.pages, seen.impressions) == (len(pages), len(impressions.keys()))
    assert (seen.clicks, seen.unknown_shows) == (len(clicks), len(pages))


def test_a_click_follows_its_impression_by_some_seconds() -> None:
    _, made = run(shown())
    at: dict[tuple[str, str], int] = {}
    for event in events_of(made):
        if event.recommendation_id is None:
            continue
        card = (event.recommendation_id, event.show_id)
        if event.action == IMPRESSION:
            at[card] = event.event_time
        else:
            assert 1_000 <= event.event_time - at[card] <= 8_000


def test_users_who_are_held_out_are_asked_nothing_and_shown_nothing() -> None:
    client = shown()
    audience, _ = run(client)
    assert client.users
    assert not any(Holdout(0.2, 1).has(user) for user in client.users)
    assert audience.seen.visits == audience.seen.held_out + len(client.users)
    assert audience.seen.held_out > 0
    everybody = shown()
    audience, _ = run(everybody, holdout=1.0)
    assert (everybody.users, audience.seen.impressions) == ([], 0)


def test_the_truth_is_told_of_each_record_that_is_added() -> None:
    _, made = run(shown(), faults=FaultPlan(malformed=0.1, disorder_ms=3_000))
    for part in made:
        rows = zip(
            part.keys, part.values, part.partitions, part.event_ms, part.genre_list, strict=True
        )
        for key, value, partition, event_ms, genre_list in rows:
            if genre_list == NO_EVENT:
                continue
            event = ClickEvent.model_validate(orjson.loads(value or b""))
            assert event.event_time == event_ms
            assert key == event.user_id.encode()
            assert partition == (key or b"")[-1] % 3
            assert (genre_list == IMPRESSION_LIST) == (event.action == IMPRESSION)


def test_organic_records_are_those_without_a_loop() -> None:
    _, alone = run(shown(), holdout=1.0)
    _, looped = run(shown())
    own = b'"recommendation_id"'
    organic = [[v for v in part.values if own not in (v or b"")] for part in looped]
    assert organic == [list(part.values) for part in alone]


@given(
    st.lists(st.integers(0, 100), max_size=20),
    st.lists(st.integers(0, 100), max_size=20).map(sorted),
)
def test_what_is_added_comes_once_the_organic_events_have_reached_it(
    organic_ms: list[int], own_ms: list[int]
) -> None:
    def outgoing(times: list[int], name: str) -> Outgoing:
        keys = [f"{name}{i}".encode() for i in range(len(times))]
        return Outgoing(keys, keys, [0] * len(times), times, [0] * len(times))

    both = merged(outgoing(organic_ms, "o"), outgoing(own_ms, "r"))
    keys = [key or b"" for key in both.keys]
    assert [k for k in keys if k[:1] == b"o"] == [f"o{i}".encode() for i in range(len(organic_ms))]
    assert [k for k in keys if k[:1] == b"r"] == [f"r{i}".encode() for i in range(len(own_ms))]
    for row, at_ms in enumerate(own_ms):
        before = sum(key[:1] == b"o" for key in keys[: keys.index(f"r{row}".encode())])
        assert before == sum(max(organic_ms[: i + 1]) <= at_ms for i in range(len(organic_ms)))


def test_nobody_looks_before_the_moment_that_was_asked_for() -> None:
    _, made = run(shown(), after_ms=60_000)
    own = [event.event_time for event in events_of(made) if event.recommendation_id]
    assert min(own) >= MONDAY_MS + 60_000


def test_event_times_of_a_run_begin_where_the_traffic_does() -> None:
    _, made = run(shown(), slices=3)
    assert all(int(at) >= MONDAY_MS for part in made for at in part.event_ms)
