import pytest

from producer_sim.load.search import Found, find_highest


class Responder:
    """Holds every rate up to its limit; may fail once where it should hold."""

    def __init__(self, limit: float, *, hiccup_at: int | None = None) -> None:
        self.limit = limit
        self.hiccup_at = hiccup_at
        self.rates: list[float] = []

    def __call__(self, rate: float) -> bool:
        self.rates.append(rate)
        return rate <= self.limit and len(self.rates) != self.hiccup_at


@pytest.mark.parametrize("limit", [1_000, 1_001, 3_333, 150_000, 999_999])
def test_search_finds_the_limit_of_a_responder(limit: float) -> None:
    found = find_highest(Responder(limit), lowest=1_000, highest=10_000_000)
    assert found.holds is not None
    assert found.fails is not None
    assert found.holds <= limit < found.fails
    assert found.fails / found.holds <= 1.05


def test_lowest_rate_that_fails_ends_the_search() -> None:
    responder = Responder(900)
    assert find_highest(responder, lowest=1_000, highest=10_000) == Found(None, 1_000)
    assert responder.rates == [1_000, 1_000]


def test_highest_rate_that_holds_ends_the_search() -> None:
    responder = Responder(10**9)
    assert find_highest(responder, lowest=1_000, highest=5_000) == Found(5_000, None)
    assert responder.rates == [1_000, 2_000, 4_000, 5_000]


@pytest.mark.parametrize("hiccup_at", [1, 2, 3, 6])
def test_one_hiccup_is_no_limit(hiccup_at: int) -> None:
    found = find_highest(Responder(6_000, hiccup_at=hiccup_at), lowest=1_000, highest=10**6)
    assert found.holds is not None
    assert 6_000 / 1.05 <= found.holds <= 6_000
