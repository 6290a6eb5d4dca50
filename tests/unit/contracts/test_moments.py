"""Moments as people write them."""

import click
import pytest

from contracts.moments import Moment

NOON_MS = 1_767_614_400_000


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05T12:00", "2026-01-05T12:00:00Z", "2026-01-05T13:00+01:00", "1767614400",
        "1767614400000",
    ],
)  # fmt: skip
def test_a_moment_is_iso_or_epoch_seconds_or_milliseconds(text: str) -> None:
    assert Moment().convert(text, None, None) == NOON_MS


def test_eight_digits_are_a_date() -> None:
    assert Moment().convert("20260105", None, None) == NOON_MS - 12 * 3_600_000


@pytest.mark.parametrize("text", ["", "noon", "1" * 16, "-1767614400", "123456789x"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no ISO 8601 time"):
        Moment().convert(text, None, None)
