"""Alerts follow from what was published before, whatever happens to those who publish."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.alerts import GenreAlert
from tests.unit.consumer.alerts.making import World, alert_settings, told

COUNTS = st.lists(
    st.fixed_dictionaries(
        {}, optional={genre: st.integers(0, 9) for genre in ("crime", "noir", "war")}
    ),
    min_size=1,
    max_size=14,
)  # fmt: skip
FATES = st.lists(st.sampled_from(["", "before", "after", "restart"]), min_size=14, max_size=14)
RULES = st.fixed_dictionaries(
    {
        "alert_raise_buckets": st.integers(1, 2),
        "alert_raise_of": st.integers(2, 4),
        "alert_clear_buckets": st.integers(1, 3),
    }
)


@given(COUNTS, FATES, RULES)
@settings(max_examples=60, deadline=None)
def test_deaths_and_takeovers_change_no_alert(
    counts: list[dict[str, int]], fates: list[str], rules: dict[str, Any]
) -> None:
    chosen = alert_settings(**rules)
    expected = World(chosen).run(counts)
    world = World(chosen)
    for of, fate in zip(counts, fates, strict=False):
        if fate == "restart":
            world.start(chosen)
        else:
            world.topics.dies = fate
        world.clicks(**of)
        world.topics.dies = ""
    assert world.topics.alerts == expected
    assert_paired(expected)


def assert_paired(alerts: list[GenreAlert]) -> None:
    """Raised and cleared take turns for each genre, kind and side; a pair shares its id."""
    is_open: dict[tuple[str, str, str], str] = {}
    for alert, (_, genre, kind, side, state) in zip(alerts, told(alerts), strict=True):
        key = (genre, kind, side)
        if state == "raised":
            assert key not in is_open
            assert alert.alert_id not in is_open.values()
            is_open[key] = alert.alert_id
        else:
            assert is_open.pop(key) == alert.alert_id
