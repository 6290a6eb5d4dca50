import pytest

from contracts.events import ClickEvent
from producer_sim.hostile import CORPUS, FUTURE, KINDS, OVERSIZE, Limits
from producer_sim.outgoing import judge
from producer_sim.wire import Renderer
from tests.unit.producer_sim.making import MONDAY_MS, NOW_MS, make_traffic

LIMITS = Limits(now_ms=NOW_MS, max_event_bytes=65_536, max_future_skew_ms=60_000)


def an_event() -> bytes:
    traffic = make_traffic()
    return Renderer(traffic, 1).render(traffic.slice(0))[0]


@pytest.mark.parametrize("name", [name for name in KINDS if name != FUTURE])
def test_hostile_value_is_no_event_by_the_consumers_rules(name: str) -> None:
    value = CORPUS[name](an_event(), LIMITS)
    assert judge(value, LIMITS.max_event_bytes) is None


@pytest.mark.parametrize("name", [name for name in KINDS if name not in {FUTURE, OVERSIZE}])
def test_hostile_value_is_no_event_by_the_model_alone(name: str) -> None:
    value = CORPUS[name](an_event(), LIMITS)
    with pytest.raises(ValueError, match="validation error"):
        ClickEvent.model_validate_json(value or b"")


def test_clock_two_hours_ahead_is_a_valid_event_past_the_skew() -> None:
    value = CORPUS[FUTURE](an_event(), LIMITS)
    verdict = judge(value, LIMITS.max_event_bytes)
    assert verdict is not None
    assert verdict[0] == NOW_MS + 60_000 + 7_200_000


def test_oversize_is_just_over_the_limit_and_under_what_brokers_take() -> None:
    value = CORPUS[OVERSIZE](an_event(), LIMITS)
    assert value is not None
    assert 65_536 < len(value) < 66_500


def test_valid_event_is_judged_by_time_and_genres() -> None:
    value = b'{"event_id":"e","event_time":%d,"user_id":"u","show_id":"s","genres":["A ","b","a"]}'
    assert judge(value % MONDAY_MS, 65_536) == (MONDAY_MS, ("a", "b"))
