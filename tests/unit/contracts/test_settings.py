"""Settings that take more than a number: what is understood, what is refused."""

import pytest
from pydantic import ValidationError

from contracts.settings import Settings

MIDNIGHT_MS = 1_798_156_800_000


def test_holidays_are_dates_or_the_moments_when_they_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GENRECAST_HOLIDAYS", "2026-12-25, 2026-12-25T00:00+09:00 20261225")
    assert Settings().holidays_ms == (MIDNIGHT_MS, MIDNIGHT_MS - 9 * 3_600_000, MIDNIGHT_MS)


def test_there_are_no_holidays_by_default() -> None:
    assert Settings().holidays_ms == ()


@pytest.mark.parametrize("text", ["christmas", "2026-13-01", "1798156800"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="holidays"):
        Settings(holidays=text)
