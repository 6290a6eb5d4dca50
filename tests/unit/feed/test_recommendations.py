"""/v1/users/{id}/recommendations on a real socket: what is answered, when Redis is away too."""

import asyncio
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from contracts.recommendations import Recommendations
from feed.recommend.shows import ShowRate
from feed.serve.recommending import outlook_after
from feed.serve.service import Service
from feed.serve.tastes import MOST_WAITING, Reads, Tastes
from state.store import StoreUnavailableError
from state.tastes import Taste
from tests.served import PATIENCE_SECONDS, Reply, Served, served, wait_for
from tests.unit.feed.making import at, kept, service

GENRES = [f"genre {number}" for number in range(30)]


class Known:
    """Tastes by hand."""

    def __init__(self, tastes: dict[str, dict[str, float]]) -> None:
        self.tastes = tastes
        self.asked: list[tuple[str, int]] = []

    def read(self, user_id: str, at_ms: int) -> Taste | None:
        self.asked.append((user_id, at_ms))
        known = self.tastes.get(user_id)
        return None if known is None else Taste(user_id, at_ms, known)


class Away:
    """Redis does not answer: at once, or never."""

    def __init__(self, waits: threading.Event | None = None) -> None:
        self.waits = waits
        self.asked = 0

    def read(self, user_id: str, at_ms: int) -> Taste | None:
        self.asked += 1
        if self.waits is not None:
            self.waits.wait()
        raise StoreUnavailableError("Redis: nobody there")


def made(reader: Reads | None = None, **options: object) -> Service:
    found = service(*range(3), **{"serve_explore_ratio": 0.0, "serve_port": 0, **options})
    if reader is not None:
        found.tastes = Tastes(reader, time.monotonic, patience_seconds=PATIENCE_SECONDS)
    return found


def at_once(reader: Reads) -> Tastes:
    """Tastes that are waited for as long as live; once away, never asked for again."""
    return Tastes(reader, lambda: 0.0)


@pytest.fixture(scope="module")
def known() -> Known:
    return Known({"u1": {"noir": 30.0, "crime": 0.5}, "a/b ü": {"noir": 9.0}, "u2": {}})


@pytest.fixture(scope="module")
def noted() -> list[Recommendations]:
    return []


@pytest.fixture(scope="module")
def site(known: Known, noted: list[Recommendations]) -> Iterator[Served]:
    """Crime and noir, alike in all buckets."""
    one = made(known, serve_requests_per_second=10_000.0)
    one.note_recommendations = noted.append
    one.note_shows({"noir": tuple(ShowRate(f"s{n}", 9.0 - n) for n in range(5))})
    with served(one) as found:
        yield found


def asked(site: Served, user: str, query: str = "") -> Reply:
    return site.get(f"/v1/users/{quote(user, safe='')}/recommendations{query}")


def test_a_known_user_gets_genres_by_taste_and_is_told_so(site: Served, known: Known) -> None:
    answer = asked(site, "u1", "?shows=2").json
    assert (answer["user_id"], answer["source"], answer["problem"]) == ("u1", "taste", None)
    assert (answer["bucket_start"], answer["model_version"]) == (at(2), "lstm-1")
    noir, crime = answer["genres"]
    assert (noir["genre"], noir["why"], noir["affinity"]) == ("noir", "taste", 30.0)
    assert (crime["genre"], crime["why"], crime["affinity"]) == ("crime", "popular", 0.5)
    assert noir["score"] == 0.5 + 30 / 20
    assert noir["shows"] == [
        {"show_id": "s0", "clicks_per_hour": 9.0},
        {"show_id": "s1", "clicks_per_hour": 8.0},
    ]
    assert crime["shows"] == []
    assert known.asked[-1] == ("u1", at(3)), "a taste as of the end of the bucket"


@pytest.mark.parametrize("user", ["nobody", "u2", "%2e%2e", "\N{BLACK HEART SUIT}" * 64])
def test_a_new_user_gets_what_is_trending(site: Served, user: str) -> None:
    answer = asked(site, user).json
    assert (answer["user_id"], answer["source"], answer["problem"]) == (user, "trending", None)
    assert [one["genre"] for one in answer["genres"]] == ["crime", "noir"]


def test_an_id_may_hold_what_an_identifier_may(site: Served) -> None:
    answer = asked(site, "a/b ü").json
    assert (answer["user_id"], answer["source"]) == ("a/b ü", "taste")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/users/u1/recommendations?limit=0", 422),
        ("/v1/users/u1/recommendations?limit=51", 422),
        ("/v1/users/u1/recommendations?limit=many", 422),
        ("/v1/users/u1/recommendations?shows=-1", 422),
        ("/v1/users/u1/recommendations?shows=21", 422),
        ("/v1/users//recommendations", 422),
        ("/v1/users/" + "x" * 65 + "/recommendations", 422),
        ("/v1/users/%00/recommendations", 422),
        ("/v1/users/a%0Ab/recommendations", 404),
        ("/v1/users/%C2%85/recommendations", 422),
        ("/v1/users/" + "x" * 9_000 + "/recommendations", 414),
        ("/v1/users/u1", 404),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(site: Served, path: str, status: int) -> None:
    reply = site.get(path)
    assert reply.status == status
    assert isinstance(reply.json["detail"], str)


def test_bytes_that_are_no_text_are_a_user_like_another(site: Served) -> None:
    reply = site.get("/v1/users/%FF%FE/recommendations")
    assert (reply.status, reply.json["source"]) == (200, "trending")


def test_each_answer_has_an_id_of_its_own_and_is_noted_as_it_was_given(
    site: Served, noted: list[Recommendations]
) -> None:
    noted.clear()
    answers = [asked(site, "u1"), asked(site, "u1")]
    assert [reply.body for reply in answers] == [
        one.model_dump_json().encode() for one in site.do(lambda: list(noted))
    ]
    first, second = (reply.json["recommendation_id"] for reply in answers)
    assert first != second
    assert len(first) <= 64


def test_all_users_are_one_route_to_the_metrics(site: Served) -> None:
    asked(site, "somebody else")
    text = site.get("/metrics").body.decode()
    assert 'route="/v1/users/{user_id}/recommendations"' in text
    assert "somebody" not in text


def test_redis_away_is_said_and_what_is_trending_given() -> None:
    away, one = Away(), made()
    one.tastes = at_once(away)
    with served(one) as site:
        for _ in range(20):
            answer = asked(site, "u1").json
            assert answer["source"] == "trending"
            assert "tastes can't be read" in answer["problem"]
            assert len(answer["genres"]) == 2
        assert away.asked == 1, "not asked again at once"
        assert "nobody there" not in str(answer), "the cause is for the log"


def test_a_redis_that_hangs_holds_nobody_up() -> None:
    waits = threading.Event()
    away, one = Away(waits), made()
    one.tastes = at_once(away)
    try:
        with served(one) as site:
            answer = asked(site, "u1").json
            assert "tastes can't be read" in answer["problem"]
            assert asked(site, "u2").json["source"] == "trending"
            assert site.get("/healthz").status == 200
            assert away.asked == 1
    finally:
        waits.set()


def test_tastes_are_read_again_once_redis_is_back() -> None:
    class Back(Known):
        is_back = False

        def read(self, user_id: str, at_ms: int) -> Taste | None:
            if not self.is_back:
                raise StoreUnavailableError("Redis: nobody there")
            return super().read(user_id, at_ms)

    reader = Back({"u1": {"noir": 30.0}})
    with served(made(reader)) as site:
        assert asked(site, "u1").json["source"] == "trending"
        reader.is_back = True
        wait_for(lambda: asked(site, "u1").json["source"] == "taste", "the user's taste")


def test_what_is_recommended_follows_the_newest_bucket() -> None:
    with served(made()) as site:
        assert asked(site, "u1").json["bucket_start"] == at(2)
        site.do(lambda: site.service.add(kept(3, [*GENRES, "crime", "noir"])))
        answer = asked(site, "u1", "?limit=50").json
        assert answer["bucket_start"] == at(3)
        assert len(answer["genres"]) == 32


def test_the_usual_level_is_of_all_buckets_whatever_genres_they_had() -> None:
    found = outlook_after(
        [
            kept(0, ["crime", "western"], clicks=30),
            kept(1, ["noir", "crime"], clicks=6),
            kept(2, ["crime", "noir"], clicks=6),
        ]
    )
    crime, noir = (0.99 * clicks / 54 + 0.01 / 2 for clicks in (30 + 6 + 6, 6 + 6))
    assert found.genres == ("crime", "noir"), "western is forecast no more"
    assert found.usual == pytest.approx((crime, noir))


def test_exploring_gives_the_last_place_to_a_new_genre() -> None:
    one = made(Known({"u1": {GENRES[0]: 5.0}}), serve_explore_ratio=1.0)
    one.add(kept(3, GENRES))
    with served(one) as site:
        answers = [asked(site, "u1", "?limit=3").json["genres"] for _ in range(2)]
    first, _, last = answers[0]
    assert (first["genre"], first["why"], first["propensity"]) == (GENRES[0], "taste", 1.0)
    assert (last["why"], last["propensity"]) == ("new", 1 / 20)
    assert answers[1] == answers[0], "the same until the next bucket"


def test_before_the_first_bucket_there_is_nothing_to_recommend() -> None:
    with served(service(serve_port=0)) as site:
        reply = asked(site, "u1")
        assert (reply.status, reply.json["detail"]) == (503, "no bucket has been published yet")


def test_reads_that_wait_are_bounded() -> None:
    waits = threading.Event()
    away = Away(waits)
    tastes = Tastes(away, lambda: 0.0)

    async def flood() -> list[BaseException | Taste | None]:
        reads = (tastes.read(f"u{n}", 0) for n in range(4 * MOST_WAITING))
        return await asyncio.gather(*reads, return_exceptions=True)

    try:
        found = asyncio.run(flood())
        assert len(found) == 4 * MOST_WAITING
        assert len(tastes._under_way) <= MOST_WAITING
    finally:
        waits.set()
        tastes.close()
