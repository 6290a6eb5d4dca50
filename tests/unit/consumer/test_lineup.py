"""Models swapped between two buckets; whatever one in shadow does, publishing goes on."""

import pytest

from consumer import shadow
from consumer.models import promote, retire, roll_back
from state.model_store import BUILT_IN, KEPT_VERSIONS
from tests.unit.consumer.lineups import BUCKET_MS, Published, World, assert_same_numbers


def alone(version: str, factor: float, buckets: int, **changes: object) -> Published:
    """What a deployment publishes that has had this model from the first bucket on."""
    world = World(**changes)
    world.register(version, factor)
    promote(world.models, version, 0)
    world.close(buckets)
    assert set(world.topics.versions()) == {version}
    return world.topics


def at(*numbers: int) -> list[int]:
    return [number * BUCKET_MS for number in numbers]


def test_without_a_registry_the_built_in_serves() -> None:
    world = World()
    world.close(3)
    assert world.topics.versions() == ["shipped-1"] * 3
    assert world.store.read_progress().model_version == "shipped-1"


def test_a_promoted_candidate_publishes_from_the_next_bucket_on_with_the_state_it_always_had() -> (
    None
):
    world = World()
    world.register("m-2", 2.0)
    world.close(8)
    promote(world.models, "m-2", world.wall_ms)
    world.close(4)
    assert world.topics.versions() == ["shipped-1"] * 8 + ["m-2"] * 4
    assert_same_numbers(world.topics, alone("m-2", 2.0, 12), at(8, 9, 10, 11))


def test_rollback_goes_on_as_if_the_champion_had_never_been_another() -> None:
    undisturbed = World()
    undisturbed.close(12)
    world = World()
    world.register("m-2", 2.0)
    world.close(5)
    promote(world.models, "m-2", world.wall_ms)
    world.close(3)
    roll_back(world.models, world.wall_ms)
    world.close(4)
    assert world.topics.versions() == ["shipped-1"] * 5 + ["m-2"] * 3 + ["shipped-1"] * 4
    assert_same_numbers(world.topics, undisturbed.topics, at(0, 4, 8, 9, 10, 11))

    roll_back(world.models, world.wall_ms)
    world.close(1)
    assert world.topics.versions()[-1] == "m-2", "and forward again"
    assert_same_numbers(world.topics, alone("m-2", 2.0, 13), at(12))


@pytest.mark.parametrize("dies", ["at once", "around a commit"])
@pytest.mark.parametrize("when", range(3, 12))
def test_a_restart_anywhere_changes_no_number(when: int, dies: str) -> None:
    def run(restart: int | None) -> Published:
        world = World()
        world.register("m-2", 2.0)
        if dies == "around a commit" and restart is not None:
            world.topics.dies_at = restart * BUCKET_MS
        for number in range(14):
            if number == 6:
                promote(world.models, "m-2", world.wall_ms)
            if number == 9:
                roll_back(world.models, world.wall_ms)
            if number == restart and dies == "at once":
                world.restart()
            world.close(1)
        return world.topics

    undisturbed = run(None)
    again = run(when)
    assert len(set(again.versions())) == 2
    assert_same_numbers(again, undisturbed, list(undisturbed.forecasts))


def test_a_version_that_never_ran_is_warmed_and_publishes_one_bucket_later() -> None:
    world = World(window_buckets=50)
    world.close(5)
    world.register("m-2", 2.0)
    world.submit.is_held = True
    promote(world.models, "m-2", world.wall_ms)
    world.close(3)
    assert world.topics.versions() == ["shipped-1"] * 8, "publishing does not wait for it"
    world.submit.finish()
    world.close(2)
    assert world.topics.versions()[8:] == ["shipped-1", "m-2"]
    assert_same_numbers(world.topics, alone("m-2", 2.0, 10, window_buckets=50), at(9))


def test_a_model_that_is_warmed_once_is_not_warmed_anew_over_another_window() -> None:
    # A window of 6 buckets: warmed over other ones, the chain in the state would differ.
    def run(*, restarts: bool) -> Published:
        world = World()
        world.close(9)
        world.register("m-2", 2.0)
        world.close(2)
        if restarts:
            world.restart()
        promote(world.models, "m-2", world.wall_ms)
        world.close(1)
        if restarts:
            world.restart()
        world.close(3)
        return world.topics

    assert run(restarts=True).versions() == ["shipped-1"] * 11 + ["m-2"] * 4
    assert_same_numbers(run(restarts=True), run(restarts=False), at(11, 12, 13, 14))


@pytest.mark.parametrize("held", [False, True])
def test_a_poisoned_candidate_is_refused_and_named_and_publishing_goes_on(
    caplog: pytest.LogCaptureFixture, *, held: bool
) -> None:
    world = World()
    world.close(2)
    world.register("m-bad", 1.0, b"poison")
    if held:
        promote(world.models, "m-bad", world.wall_ms)
    world.close(3)
    assert world.topics.versions() == ["shipped-1"] * 5
    registry = world.models.read()
    assert (registry.champion, registry.candidate) == (BUILT_IN, None)
    assert registry.entries["m-bad"].refused.startswith("m-bad/weights.npz: w0 holds values")
    assert "model m-bad is refused: m-bad/weights.npz: w0 holds" in caplog.text
    assert world.opened == ["m-bad"], "it is not tried again"


def test_a_champion_that_was_poisoned_in_redis_gives_way_at_the_next_start() -> None:
    world = World()
    world.register("m-bad", 1.0, b"poison")
    promote(world.models, "m-bad", 0)
    world.close(2)
    assert world.topics.versions() == ["shipped-1"] * 2
    assert world.models.read().status_of("m-bad") == "refused"


def test_a_candidate_that_fails_on_live_buckets_is_refused_without_a_gap(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.register("m-2", 2.0)
    world.close(2)
    world.made["m-2"].fails_at = 4 * BUCKET_MS
    world.close(4)
    assert world.topics.versions() == ["shipped-1"] * 6
    assert world.models.read().entries["m-2"].refused == (
        "forecasting failed: a forecast is not finite"
    )
    assert "m-2 is refused" in caplog.text


def test_a_champion_that_fails_gives_way_to_the_one_before_it_in_the_same_bucket() -> None:
    undisturbed = World()
    undisturbed.close(8)
    world = World()
    world.register("m-2", 2.0)
    world.close(3)
    promote(world.models, "m-2", world.wall_ms)
    world.close(2)
    world.made["m-2"].fails_at = 5 * BUCKET_MS
    world.close(3)
    assert world.topics.versions() == ["shipped-1"] * 3 + ["m-2"] * 2 + ["shipped-1"] * 3
    assert_same_numbers(world.topics, undisturbed.topics, at(5, 6, 7))


def test_a_candidate_that_is_slow_again_and_again_is_suspended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()

    def dawdle() -> None:
        world.seconds += 2.6  # of 10 s

    world.register("m-2", 2.0)
    world.close(2)
    world.made["m-2"].during = dawdle
    world.close(6)
    assert world.topics.versions() == ["shipped-1"] * 8
    assert "m-2" not in world.lineup.shadows
    assert "m-2 is suspended: took 2.6 s for a bucket" in caplog.text
    assert world.models.read_notes().figures["m-2"].suspended
    assert world.models.read().candidate == "m-2", "whether it serves is for people to say"


def test_a_former_champion_runs_in_shadow_for_as_long_as_rollback_is_to_be_exact() -> None:
    world = World(rollback_seconds=100)
    world.register("m-2", 2.0)
    world.close(2)
    promote(world.models, "m-2", world.wall_ms)
    world.close(2)
    assert set(world.lineup.shadows) == {BUILT_IN}
    assert set(world.store.read_states()) == {"shipped-1", "m-2"}
    world.wall_ms += 100_000
    world.close(2)
    assert set(world.lineup.shadows) == set()
    assert set(world.store.read_states()) == {"m-2"}


def test_a_retired_candidate_leaves_the_shadow() -> None:
    world = World()
    world.register("m-2", 2.0)
    world.close(2)
    retire(world.models, "m-2")
    world.close(1)
    assert set(world.lineup.shadows) == set()
    assert world.models.read().status_of("m-2") == "retired"


def test_a_state_too_large_for_the_store_is_said_once_and_publishing_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shadow, "MOST_STATE_BYTES", 1)
    world = World()
    world.close(6)
    assert world.topics.versions() == ["shipped-1"] * 6
    assert not world.store.read_states()
    told = [r.getMessage() for r in caplog.records if "GENRECAST_GENRE_SHARE" in r.getMessage()]
    assert len(told) == 1
    world.restart()
    world.close(3)
    assert world.topics.versions() == ["shipped-1"] * 9


def test_after_a_gap_longer_than_the_window_all_models_begin_anew() -> None:
    world = World()
    world.register("m-2", 2.0)
    world.close(3)
    world.next_bucket += 40
    world.close(1)
    clicks = [5 + 43 * 7 % 11, 2 + 43 * 3 % 5, 43]
    for running in (world.lineup.champion, world.lineup.shadows["m-2"]):
        assert running.state[:, -1].tolist() == clicks, "nothing from before the gap"


def test_a_registry_that_redis_lost_is_put_back_from_memory(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.register("m-2", 2.0)
    promote(world.models, "m-2", 0)
    world.register("m-3", 3.0)
    world.close(3)
    world.models.wipe()
    world.close(2)
    assert world.topics.versions() == ["m-2"] * 5
    assert "Redis lost the registry of models" in caplog.text
    world.restart()
    world.close(2)
    assert world.topics.versions() == ["m-2"] * 7
    registry = world.models.read()
    assert (registry.champion, registry.candidate) == ("m-2", "m-3")


def test_a_model_chosen_by_hand_serves_whatever_the_registry_says(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(model_dir="somewhere")
    world.register("m-2", 2.0)
    promote(world.models, "m-2", 0)
    caplog.set_level("INFO")
    world.close(2)
    assert world.topics.versions() == ["shipped-1"] * 2
    assert "the registry of models is ignored" in caplog.text


def test_the_registry_keeps_the_last_few_versions_and_those_in_use() -> None:
    world = World()
    world.register("m-0", 1.0)
    promote(world.models, "m-0", 0)
    for number in range(1, 10):
        world.register(f"m-{number}", 1.0)
        registry = world.models.read()
        world.models.write(registry.pruned(), {})
    registry = world.models.read()
    assert len(registry.entries) == KEPT_VERSIONS
    assert {"m-0", "m-9", "m-8"} <= set(registry.entries)
    assert world.models.read_bytes("m-0") is not None
    assert world.models.read_bytes("m-1") is None


def test_a_member_that_stands_by_has_the_champion_in_memory_when_it_takes_over() -> None:
    world = World(standby=True)
    world.register("m-2", 2.0)
    world.close(2)
    promote(world.models, "m-2", world.wall_ms)
    world.close(2)
    world.restart()
    world.opened.clear()
    world.closer.stand_by()
    assert world.opened == ["m-2"]
    world.close(2)
    assert world.opened == ["m-2"], "it was not opened again"
    assert world.topics.versions()[-2:] == ["m-2"] * 2


def test_who_stands_by_leaves_a_broken_model_to_the_forecaster() -> None:
    world = World(standby=True)
    world.register("m-2", 2.0, weights=b"poison")
    promote(world.models, "m-2", world.wall_ms)
    before = world.models.read()
    world.closer.stand_by()
    assert world.models.read() == before
    world.close(1)
    assert world.topics.versions() == ["shipped-1"]


def test_no_model_is_opened_ahead_unless_that_is_wanted() -> None:
    world = World()
    world.closer.stand_by()
    assert not world.made
