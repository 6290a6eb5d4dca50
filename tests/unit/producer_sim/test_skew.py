import json
from dataclasses import replace

import numpy as np
import pytest

from contracts.settings import Settings
from producer_sim.faults import FaultPlan
from producer_sim.genres import BUILT_IN
from producer_sim.hostile import FUTURE
from producer_sim.outgoing import Outgoing, judge
from producer_sim.skew import Silence, Skew, SkewPlan, nearest
from producer_sim.sources import Simulation
from producer_sim.traffic import Clicks
from tests.unit.producer_sim.making import MONDAY_MS, NOW_MS, make_traffic

PARTITIONS = 4
WAR = [genre.name for genre in BUILT_IN].index("war")


def partition_for(key: bytes) -> int:
    return key[-1] % PARTITIONS


def send(
    skew: SkewPlan,
    *,
    faults: FaultPlan | None = None,
    hot_genre: int = 0,
    owned: list[int] | None = None,
    events: int = 5_000,
) -> tuple[Simulation, list[Outgoing]]:
    simulation = Simulation(
        make_traffic(slice_ms=10_000, events_per_second=200),
        faults or FaultPlan(),
        Settings(),
        seed=1,
        partition_for=partition_for,
        skew=skew,
        hot_genre=hot_genre,
        owned=owned,
    )
    return simulation, [portion.make(NOW_MS) for portion in simulation.portions(events)]


def values(parts: list[Outgoing]) -> list[bytes]:
    return [value for part in parts for value in part.values if value is not None]


def test_hot_genre_gets_its_ratio_beside_its_own() -> None:
    _, parts = send(SkewPlan(hot_genre="war", hot_ratio=0.6), hot_genre=WAR)
    firsts = [json.loads(value)["genres"][0] for value in values(parts)]
    assert firsts.count("war") / len(firsts) == pytest.approx(0.62, abs=0.03)


def test_new_genres_are_valid_were_never_there_and_are_known_to_the_truth() -> None:
    simulation, parts = send(SkewPlan(new_genres=0.05))
    seen: set[tuple[str, ...]] = set()
    for part in parts:
        for value, number in zip(part.values, part.genre_list, strict=True):
            verdict = judge(value, 65_536)
            assert verdict is not None
            assert verdict[1] == simulation.genre_lists[number]
            if verdict[1][0].startswith("new "):
                assert verdict[1] not in seen
                seen.add(verdict[1])
    assert len(seen) == simulation.made.new_genres == pytest.approx(250, rel=0.25)


def test_copy_of_an_event_with_a_new_genre_has_the_same_genre() -> None:
    simulation, parts = send(SkewPlan(new_genres=1.0), faults=FaultPlan(duplicates=0.5))
    sent = values(parts)
    assert len(set(sent)) == simulation.made.new_genres < len(sent)


def test_silent_partition_gets_nothing_while_it_is_silent_and_its_share_else() -> None:
    silence = Silence(partition=2, after_ms=5_000, for_ms=10_000)
    _, parts = send(SkewPlan(silences=(silence,)))
    times = np.concatenate([part.event_ms for part in parts]) - MONDAY_MS
    partitions = np.concatenate([part.partitions for part in parts])
    is_silent = (times >= 5_000) & (times < 15_000)
    assert not (partitions[is_silent] == 2).any()
    assert (partitions[~is_silent] == 2).mean() == pytest.approx(0.25, abs=0.1)
    assert is_silent.sum() > 500


def test_two_silences_overlap() -> None:
    silences = (Silence(0), Silence(1, after_ms=10_000))
    _, parts = send(SkewPlan(silences=silences))
    times = np.concatenate([part.event_ms for part in parts]) - MONDAY_MS
    partitions = np.concatenate([part.partitions for part in parts])
    assert set(partitions[times < 10_000].tolist()) == {1, 2, 3}
    assert set(partitions[times >= 10_000].tolist()) == {2, 3}


def test_owner_of_some_partitions_writes_to_those_only() -> None:
    _, parts = send(SkewPlan(), owned=[1, 3])
    assert set(np.concatenate([part.partitions for part in parts]).tolist()) == {1, 3}


def test_events_ahead_of_time_have_their_ratio_and_are_told_to_the_truth() -> None:
    simulation, parts = send(SkewPlan(), faults=FaultPlan(future=0.02))
    ahead = [at for part in parts for at in part.event_ms if at > NOW_MS + 60_000]
    assert len(ahead) == simulation.made.malformed[FUTURE] == pytest.approx(100, rel=0.3)
    assert set(simulation.made.malformed) == {FUTURE}


def test_skew_depends_on_the_number_alone() -> None:
    plan = SkewPlan(hot_genre="war", hot_ratio=0.3, new_genres=0.1)
    users = np.zeros(20_000, np.int64)
    skew = Skew(plan, hot_show=7, partition_of_user=users, start_ms=MONDAY_MS)
    clicks = make_traffic().slice(0)
    whole = skew.apply(clicks)
    rows = np.arange(0, len(clicks), 3)
    np.testing.assert_array_equal(skew.apply(clicks.take(rows)).show, whole.show[rows])
    moved = replace(clicks, event_ms=clicks.event_ms + 1)
    np.testing.assert_array_equal(skew.apply(moved).show, whole.show)


def test_nearest_user_that_is_allowed() -> None:
    allowed = np.array([False, True, False, False, False, True])
    assert nearest(allowed).tolist() == [1, 1, 1, 5, 5, 5]


def test_load_test_clicks_are_as_many_as_there_are_times() -> None:
    traffic = make_traffic()
    times = MONDAY_MS + np.arange(0, 5_000, 7, dtype=np.int64)
    clicks: Clicks = traffic.at(3, times, 100)
    assert clicks.event_ms.tolist() == times.tolist()
    assert clicks.number.tolist() == list(range(100, 100 + len(times)))
    again = make_traffic().at(3, times, 100)
    np.testing.assert_array_equal(clicks.show, again.show)
