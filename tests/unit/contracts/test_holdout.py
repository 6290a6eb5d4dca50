from hypothesis import given
from hypothesis import strategies as st

from contracts.holdout import Holdout

USERS = [f"u{number}" for number in range(5_000)]


def test_about_the_share_that_was_asked_for_is_held_out() -> None:
    held = sum(Holdout(0.2, 3).has(user) for user in USERS)
    assert 0.18 < held / len(USERS) < 0.22


def test_another_seed_holds_out_others() -> None:
    once, again = ({u for u in USERS if Holdout(0.5, seed).has(u)} for seed in (1, 2))
    # Drawn anew, half of the one half is in the other.
    assert 0.45 < len(once & again) / len(once) < 0.55


@given(st.text(max_size=64), st.floats(0, 1), st.floats(0, 1), st.integers(0, 5))
def test_a_larger_holdout_has_all_of_a_smaller_one(
    user: str, one: float, other: float, seed: int
) -> None:
    smaller, larger = sorted((one, other))
    assert Holdout(larger, seed).has(user) or not Holdout(smaller, seed).has(user)
