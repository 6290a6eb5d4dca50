"""Alerts of a deployment in memory: what raises, what clears, whoever is the forecaster."""

from pathlib import Path

import numpy as np
import pytest

from consumer.alerts.alerting import Alerting
from consumer.alerts.watch import Watch
from consumer.errors import InvariantError
from tests.unit.consumer.alerts.making import BUCKET_MS, World, alert_settings, told

CALM, HIGH, LOW = 4, 9, 1


def crime(*counts: int) -> list[dict[str, int]]:
    return [{"crime": n} for n in counts]


def interval(bucket: int, side: str, state: str) -> tuple[int, str, str, str, str]:
    return (bucket, "crime", "outside-interval", side, state)


def thresholds(folder: Path, text: str) -> Path:
    path = folder / "levels.toml"
    path.write_text(text)
    return path


def test_two_of_three_above_the_interval_raise_and_two_inside_clear() -> None:
    #                    0     1     2     3     4     5     6
    counts = crime(CALM, HIGH, CALM, HIGH, CALM, HIGH, CALM, CALM)
    alerts = World(alert_settings()).run(counts)
    assert told(alerts) == [interval(3, "above", "raised"), interval(7, "above", "cleared")]
    raised, cleared = alerts
    assert (raised.value, raised.lower, raised.upper) == (9, 2, 6)
    assert (
        raised.reason
        == "9 clicks where 2 to 6 were forecast; above that in 2 of the last 3 buckets"
    )
    assert cleared.reason == "not above its interval for 2 buckets"
    assert raised.alert_id == cleared.alert_id
    assert raised.raised_at == cleared.raised_at == 3 * BUCKET_MS


def test_above_and_below_do_not_add_up() -> None:
    assert World(alert_settings()).run(crime(CALM, HIGH, LOW, HIGH, LOW)[:3]) == []
    alerts = World(alert_settings()).run(crime(CALM, LOW, LOW))
    assert told(alerts) == [interval(2, "below", "raised")]


def test_the_ends_belong_to_the_interval() -> None:
    assert World(alert_settings()).run(crime(CALM, 6, 6, 6, 2, 2, 2)) == []


def test_nothing_is_outside_before_a_forecast() -> None:
    # The first bucket of a genre had no forecast; its second had one.
    alerts = World(alert_settings()).run(crime(HIGH, HIGH, HIGH))
    assert told(alerts) == [interval(2, "above", "raised")]


def test_a_genre_that_comes_later_has_alerts_of_its_own() -> None:
    counts = [{"crime": 4}, *[{"crime": 4, "noir": 9}] * 3]
    alerts = World(alert_settings()).run(counts)
    assert told(alerts) == [(3, "noir", "outside-interval", "above", "raised")]


@pytest.mark.parametrize("dies", ["before", "after"])
@pytest.mark.parametrize("at", range(8))
def test_alerts_are_told_once_whenever_a_forecaster_dies(at: int, dies: str) -> None:
    counts = crime(CALM, HIGH, CALM, HIGH, CALM, HIGH, CALM, CALM)
    expected = World(alert_settings()).run(counts)
    world = World(alert_settings())
    for number, of in enumerate(counts):
        world.topics.dies = dies if number == at else ""
        world.clicks(**of)
    assert world.topics.alerts == expected


def test_another_member_goes_on_where_the_journal_says() -> None:
    counts = crime(CALM, HIGH, CALM, HIGH, CALM, HIGH, CALM, CALM)
    expected = World(alert_settings()).run(counts)
    world = World(alert_settings())
    for of in counts:
        world.start(world.settings)
        world.clicks(**of)
    assert world.topics.alerts == expected


def test_what_the_journal_keeps_is_all_that_there_is() -> None:
    world = World(alert_settings())
    world.run([{"crime": 4, "noir": 4}, {"crime": 9, "noir": 4}, {"crime": 9, "noir": 1}])
    held, read = world.closer._alerting._watch, Watch.read(world.topics.journal[-1])
    assert held.is_open.any()
    assert (held.bucket_ms, held.genres) == (read.bucket_ms, read.genres)
    for name in ("lower", "upper", "history", "raised_ms"):
        np.testing.assert_array_equal(getattr(held, name), getattr(read, name))


def test_without_alerts_nothing_is_published_that_was_not_before() -> None:
    world = World(alert_settings(alerts="off"))
    assert world.run(crime(CALM, HIGH, HIGH, HIGH)) == []
    assert all(record.alerts is None for record in world.topics.journal)


def test_alerts_that_are_switched_off_are_cleared_once() -> None:
    world = World(alert_settings())
    world.run(crime(CALM, HIGH, HIGH))
    world.start(alert_settings(alerts="off"))
    world.run(crime(HIGH, HIGH))
    *_, last = world.topics.alerts
    assert (last.state, last.bucket_start) == ("cleared", 3 * BUCKET_MS)
    assert last.reason == "alerts were switched off"
    assert [record.alerts is None for record in world.topics.journal] == [False] * 3 + [True] * 2


def test_a_gap_longer_than_the_window_clears_all() -> None:
    world = World(alert_settings())
    world.run(crime(CALM, HIGH, HIGH))
    world.next_bucket += 100
    alerts = world.run(crime(HIGH, HIGH, HIGH))
    assert told(alerts) == [
        interval(2, "above", "raised"),
        interval(103, "above", "cleared"),
        interval(105, "above", "raised"),  # bucket 103 had no forecast, but made one
    ]
    assert alerts[1].reason == "no clicks came for longer than the window"


def test_a_forecast_above_its_level_twice_raises(tmp_path: Path) -> None:
    # Step 2's mean is twice the count: 10 from 5 clicks on.
    levels = thresholds(tmp_path, '[[threshold]]\ngenre = "crime"\nabove = 10\n')
    settings = alert_settings(alerts="thresholds", alert_thresholds=levels)
    alerts = World(settings).run(crime(5, 4, 5, 6, 4, 4))
    kind = "threshold"
    assert told(alerts) == [
        (3, "crime", kind, "above", "raised"), (5, "crime", kind, "above", "cleared"),
    ]  # fmt: skip
    raised, cleared = alerts
    assert (raised.value, raised.value_start, raised.level) == (12, 5 * BUCKET_MS, 10)
    assert raised.reason == "12 clicks are forecast 2 buckets ahead, above 10; so for 2 buckets"
    assert cleared.reason == "no forecast above 10 clicks for 2 buckets"


@pytest.mark.parametrize(
    ("entry", "is_raised"),
    [
        ("above = 10", True),
        ("above = 10\nwithin = 1", False),
        ('above = 6\nof = "0.9"', True),
        ('above = 6.0001\nof = "0.9"', False),
        ("below = 5\nwithin = 1", True),
        ("below = 4.9", False),
    ],
)
def test_a_level_is_held_against_what_it_names(tmp_path: Path, entry: str, is_raised: bool) -> None:
    levels = thresholds(tmp_path, f'[[threshold]]\ngenre = "*"\n{entry}\n')
    settings = alert_settings(alerts="thresholds", alert_thresholds=levels)
    assert bool(World(settings).run(crime(5, 5))) == is_raised


def test_a_genres_own_level_stands_instead_of_every_genres(tmp_path: Path) -> None:
    text = '[[threshold]]\ngenre = "*"\nabove = 10\n[[threshold]]\ngenre = " NOIR"\nabove = 100\n'
    settings = alert_settings(alerts="thresholds", alert_thresholds=thresholds(tmp_path, text))
    alerts = World(settings).run([{"crime": 5, "noir": 5}] * 2)
    assert [alert.genre for alert in alerts] == ["crime"]


def test_a_level_that_is_taken_away_clears_its_alert(tmp_path: Path) -> None:
    path = thresholds(tmp_path, '[[threshold]]\ngenre = "*"\nabove = 10\n')
    settings = alert_settings(alert_thresholds=path)
    world = World(settings)
    world.run(crime(5, 5))
    path.write_text("")
    world.start(settings)
    *_, cleared = world.run(crime(5, 5))
    assert (cleared.kind, cleared.state, cleared.level) == ("threshold", "cleared", None)
    assert cleared.reason == "no level above is set any more"


def test_a_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    settings = alert_settings(alert_thresholds=tmp_path / "none.toml")
    with pytest.raises(InvariantError, match=r"cannot read .*none\.toml: No such file"):
        Alerting(settings)
