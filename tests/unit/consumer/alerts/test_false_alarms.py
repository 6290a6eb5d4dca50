"""The rate of false alarms, by hand where it can be."""

from pathlib import Path

import numpy as np
import pytest

from consumer.alerts.false_alarms import false_alarms_per_day, raises_per_bucket
from consumer.alerts.rules import Debounce
from contracts.settings import Settings

PAGE = Path(__file__).parents[4] / "docs" / "alerts.md"


def test_one_bucket_that_raises_and_one_that_clears_alternate() -> None:
    # Raised where a bucket beyond follows one that is not: p (1 - p).
    assert raises_per_bucket(Debounce(1, 1, 1), 0.2) == pytest.approx(0.2 * 0.8)


def test_two_in_a_row_after_one_that_cleared() -> None:
    # Each alert begins with not-beyond, beyond, beyond.
    assert raises_per_bucket(Debounce(2, 2, 1), 0.3) == pytest.approx(0.7 * 0.3 * 0.3)


@pytest.mark.parametrize("debounce", [Debounce(4, 5, 3), Debounce(2, 4, 6), Debounce(3, 8, 2)])
def test_it_is_what_drawing_gives(debounce: Debounce) -> None:
    beyond = (np.random.default_rng(7).random(200_000) < 0.3).tolist()
    history, is_open, raised = 0, False, 0
    for bit in beyond:
        history = (history << 1 | bit) & 0xFFFF
        among = history & ((1 << debounce.raise_of) - 1)
        if not is_open and bit and among.bit_count() >= debounce.raise_buckets:
            is_open, raised = True, raised + 1
        elif is_open and not history & ((1 << debounce.clear_buckets) - 1):
            is_open = False
    expected = raises_per_bucket(debounce, 0.3)
    assert raised / len(beyond) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("raise_buckets", "raise_of"), [(3, 3), (4, 5), (5, 6), (6, 8)])
def test_the_page_has_the_rates(raise_buckets: int, raise_of: int) -> None:
    def rate(**changes: object) -> str:
        options = {"alert_raise_buckets": raise_buckets, "alert_raise_of": raise_of, **changes}
        return f"{false_alarms_per_day(Settings.model_validate(options)):.2g}"

    rates = [rate(bucket_seconds=seconds) for seconds in (60, 300, 3600)]
    row = f"| {raise_buckets} of {raise_of} | {' | '.join(rates)} |"
    assert row in PAGE.read_text(encoding="utf-8"), row
