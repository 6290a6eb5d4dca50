"""What a scraper sees of a member: every metric from the list, and who holds what up."""

import math
from threading import Event

import pytest
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from consumer import metrics
from consumer.aggregate import CLOSED_WHILE_IDLE, Elsewhere
from consumer.dead_letter_limit import LEAST_RECORDS
from consumer.decode import decode_values
from consumer.health import Readiness
from consumer.records import LogRecord
from consumer.service import Backoff, Service
from contracts.clock import wall_clock_ms
from contracts.instruments import UndeclaredMetricError, counter
from contracts.metrics import METRICS
from state.redis_store import RedisStore
from state.store import Batch, Progress
from tests.unit.consumer.making import click, make_world

RECORD = LogRecord(0, 0, None, b"")


def sample(name: str, **labels: object) -> float | None:
    return REGISTRY.get_sample_value(name, {key: str(value) for key, value in labels.items()})


def measured(text: bytes) -> set[tuple[str, str]]:
    """Return name and kind of each metric of ours in what a scraper gets."""
    return {
        (family.name + ("_total" if family.type == "counter" else ""), family.type)
        for family in text_string_to_metric_families(text.decode())
        if family.name.startswith("genrecast_")
    }


def progress(published_ms: int | None = None, global_watermark_ms: int = 2_000) -> Progress:
    return Progress(
        offsets={0: 9, 1: 4, 2: 0},
        watermarks={0: 5_000, 1: 2_000, 3: 1_000},
        restored_cut={},
        idle_until={3: 99},
        closed_ms=None,
        published_ms=published_ms,
        global_watermark_ms=global_watermark_ms,
        is_live=True,
    )


def show(positions: dict[int, int], ends: dict[int, int], paused: set[int], **changes: int) -> None:
    metrics.show_progress(
        progress(**changes),
        metrics.Partitions(positions, ends, paused),
        now_ms=50,
        bucket_ms=60_000,
    )


def test_what_a_consumer_measures_is_what_the_list_says_of_it() -> None:
    assert RedisStore.SCRIPTS  # its module measures too
    assert measured(generate_latest()) == {(m.name, m.kind) for m in METRICS if m.part == "consume"}


def test_what_is_not_on_the_list_cannot_be_measured() -> None:
    with pytest.raises(UndeclaredMetricError, match="no counter genrecast_clicks_total"):
        counter("genrecast_clicks_total")
    with pytest.raises(UndeclaredMetricError, match="no counter genrecast_lag_records"):
        counter("genrecast_lag_records")


def test_a_batch_is_counted_by_where_its_records_went() -> None:
    before = sample("genrecast_records_total", place="late") or 0
    metrics.count_batch(Batch(0, 0, 9, counted=3, late=2, lost=1))
    assert sample("genrecast_records_total", place="late") == before + 2


def test_partitions_show_lag_pause_and_who_holds_the_watermark() -> None:
    show({0: 9, 1: 4, 2: 0}, {0: 12, 1: 4}, {0})
    assert sample("genrecast_position_offset", partition=0) == 9
    assert sample("genrecast_lag_records", partition=0) == 3
    assert sample("genrecast_lag_records", partition=1) == 0
    assert sample("genrecast_lag_records", partition=2) is None, "its end is not known yet"
    assert [sample("genrecast_paused", partition=p) for p in range(3)] == [1, 0, 0]
    assert sample("genrecast_holds_watermark", partition=0) == 0
    assert sample("genrecast_holds_watermark", partition=1) == 1
    assert sample("genrecast_holds_watermark", partition=2) == 1, "nobody has read it yet"
    assert sample("genrecast_global_watermark_timestamp_seconds") == 2


def test_a_partition_that_went_to_another_member_is_no_longer_shown() -> None:
    show({0: 9, 1: 4}, {0: 12, 1: 4}, set())
    show({1: 5}, {1: 6}, set())
    assert sample("genrecast_position_offset", partition=0) is None
    assert sample("genrecast_lag_records", partition=0) is None
    assert sample("genrecast_lag_records", partition=1) == 1


def test_ages_grow_though_nothing_is_shown_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    at = wall_clock_ms()
    show({0: 9}, {}, set(), published_ms=at - 90_000, global_watermark_ms=at - 7_000)
    monkeypatch.setattr(metrics, "wall_clock_ms", lambda: at + 1_000)
    assert sample("genrecast_watermark_age_seconds") == 8
    assert sample("genrecast_forecast_age_seconds") == 31, "since the bucket's end"


def test_there_is_no_age_before_there_is_a_watermark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics._moments, "watermark_ms", None)
    assert math.isnan(sample("genrecast_watermark_age_seconds") or 0)


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (None, "tombstone"),
        (b"x" * 999, "too_large"),
        (b"{", "not_json"),
        (b"[]", "value"),
        (b'{"event_id": "e"}', "event_time"),
        (click(1, "a", "").replace(b"crime", b"x"), "genres"),
        (click(1).replace(b'"u"', b'"' + b"u" * 99 + b'"'), "user_id"),
        (click(1).replace(b"}", b', "action": "hostile\\nlabel"}'), "action"),
    ],
)
def test_a_dead_letters_reason_is_one_of_a_few_words(value: bytes | None, label: str) -> None:
    [(_, reason)] = decode_values([value], max_event_bytes=500).refused
    assert metrics.reason_label(reason) == label


def test_an_event_of_the_future_and_late_ones_are_told_by_reason() -> None:
    names = ("genrecast_dead_letter_records_total", "genrecast_late_records_total")
    before = [
        sample(names[0], reason="future") or 0,
        sample(names[1], reason="watermark") or 0,
        sample(names[1], reason="idle") or 0,
    ]
    world = make_world(0, max_future_skew_seconds=60)
    world.log.write(0, click(100_000), timestamp_ms=1_000)
    world.log.write(0, click(60_000))
    world.log.write(0, click(1_000))
    world.step(2)
    metrics.count_aside([Elsewhere(RECORD, reason=CLOSED_WHILE_IDLE)], [])
    after = [
        sample(names[0], reason="future"),
        sample(names[1], reason="watermark"),
        sample(names[1], reason="idle"),
    ]
    assert after == [count + 1 for count in before]


def test_the_loop_shows_lag_and_how_much_a_poll_gave() -> None:
    before = sample("genrecast_poll_records_sum") or 0
    world = make_world(0)
    for second in range(3):
        world.log.write(0, click(second * 1_000))
    world.step(2)
    world.pass_time(1.0)
    world.log.ends[0] += 4  # more came since the last fetch
    world.log.unreadable.add(0)
    world.step()
    assert (sample("genrecast_poll_records_sum") or 0) - before == 3
    assert sample("genrecast_lag_records", partition=0) == 4


def test_a_pause_for_dead_letters_is_shown_without_a_break_and_is_no_other_trouble() -> None:
    world, at_once = make_world(0), Event()
    at_once.set()
    service, backoff = Service(world.settings, Readiness(lambda: 0.0)), Backoff(at_once)
    service._mended._looked_at[0] = math.inf  # it never looks: there is no broker
    for _ in range(LEAST_RECORDS + 1):
        world.log.write(0, b"junk", timestamp_ms=1)

    def shown_after_a_turn() -> tuple[float | None, float | None]:
        service._take_turn(world.loop, world.log, world.store, backoff)
        parts = ("dead_letters", "reading")
        dead_letters, reading = (sample("genrecast_not_ready", part=part) for part in parts)
        return dead_letters, reading

    shown_after_a_turn()  # the partition is placed
    assert [shown_after_a_turn() for _ in range(5)] == [(1, 0)] * 5
    world.loop.limit.max_ratio = 1.0
    shown_after_a_turn()
    assert shown_after_a_turn() == (0, 0)
