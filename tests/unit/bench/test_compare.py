from pathlib import Path

import pytest

from bench.compare import (
    BASELINE,
    LEAST_REPEATS,
    Stored,
    Verdict,
    compare,
    is_fine,
    learn,
    read_stored,
    write_stored,
)
from bench.parts import QUICK
from bench.results import Better, Ratio


def ratio(value: float, better: Better = "higher", key: str = "ingest.bare") -> dict[str, Ratio]:
    return {key: Ratio(key, "a over b", value, better)}


def stored(value: float, noise: float, better: Better = "higher") -> dict[str, Stored]:
    return {"ingest.bare": Stored(value, noise, 5, better)}


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (1.00, "same"),
        (0.91, "same"),
        (0.89, "worse"),
        (0.81, "worse"),
        (0.79, "failed"),
        (1.09, "same"),
        (1.11, "better"),
    ],
)
def test_fails_only_beyond_twice_the_tolerance(now: float, verdict: Verdict) -> None:
    (one,) = compare(ratio(now), stored(1.0, 0.1))
    assert one.verdict == verdict
    assert is_fine([one]) == (verdict != "failed")


@pytest.mark.parametrize(
    ("now", "verdict"), [(1.05, "same"), (1.15, "worse"), (1.30, "failed"), (0.80, "better")]
)
def test_a_ratio_to_be_small_fails_when_it_grows(now: float, verdict: Verdict) -> None:
    # 1 / 1.15 is 13 % worse, 1 / 1.3 is 23 %.
    (one,) = compare(ratio(now, "lower"), stored(1.0, 0.1, "lower"))
    assert one.verdict == verdict


def test_calm_repeats_still_leave_a_tolerance_of_five_percent() -> None:
    (one,) = compare(ratio(0.96), stored(1.0, 0.0))
    assert one.verdict == "same"


def test_a_ratio_stored_from_too_few_repeats_is_told_and_fails_nothing() -> None:
    few = {"ingest.bare": Stored(1.0, 0.1, 4, "higher")}
    (one,) = compare(ratio(0.5), few)
    assert one.verdict == "worse"
    assert is_fine([one])


def test_a_new_ratio_is_told_and_fails_nothing() -> None:
    compared = compare(ratio(1.0, key="step.window_20"), {})
    assert [one.verdict for one in compared] == ["new"]
    assert is_fine(compared)


def test_a_stored_ratio_that_was_not_measured_fails() -> None:
    compared = compare({}, stored(1.0, 0.1))
    assert [one.verdict for one in compared] == ["missing"]
    assert not is_fine(compared)


def test_noise_is_learned_from_the_repeats() -> None:
    runs = [ratio(value) for value in (1.0, 1.1, 0.9, 1.0, 1.05)]
    assert learn(runs) == {"ingest.bare": Stored(1.0, 0.2, 5, "higher")}


def test_a_ratio_that_one_repeat_lacks_is_not_stored() -> None:
    assert learn([{**ratio(1.0), **ratio(2.0, key="a.b")}, ratio(1.0)]).keys() == {"ingest.bare"}


def test_stored_ratios_come_back_from_their_file(tmp_path: Path) -> None:
    kept = stored(0.7, 0.04)
    write_stored(kept, {"cores": 2}, tmp_path / "baseline.json")
    assert read_stored(tmp_path / "baseline.json") == kept


def test_the_stored_ratios_of_this_checkout_rest_on_enough_repeats() -> None:
    kept = read_stored(BASELINE)
    assert {key.split(".")[0] for key in kept} == set(QUICK)
    too_few = {key: one.repeats for key, one in kept.items() if one.repeats < LEAST_REPEATS}
    assert too_few == {}
    assert all(one.noise > 0 for one in kept.values()), "repeats that never differ were no repeats"
