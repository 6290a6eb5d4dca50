"""Out of order, at the boundary, late, idle, wrong clocks, jumps: windows by the rule."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.clock import wall_clock_ms
from tests.faults.oracle import Outcome
from tests.faults.trial import Trial, click

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(240)]

MakeTrial = Callable[..., Trial]

START_MS = 1_772_474_400_000
"""A time in the past, epoch ms, where a bucket begins."""

LIVE: dict[str, object] = {
    "bucket_seconds": 2,
    "max_out_of_orderness_seconds": 0.5,
    "idle_timeout_seconds": 2,
    "partitions": 3,
}
"""Options of deployments that follow the clock."""


def counts(outcome: Outcome) -> dict[int, int]:
    """Return published clicks by bucket, in seconds since START_MS."""
    sums: Counter[int] = Counter()
    for forecast in outcome.forecasts:
        sums[(forecast.bucket_start - START_MS) // 1000] += forecast.observed_clicks
    return dict(sums)


def offsets(records: list[object]) -> set[tuple[int, int]]:
    """Return (partition, offset) of records on a side topic."""
    headers = [dict(record.headers) for record in records]  # type: ignore[attr-defined]
    return {(int(h["genrecast-partition"]), int(h["genrecast-offset"])) for h in headers}


def test_duplicates_from_upstream_count_as_sent(trial: Trial) -> None:
    trial.consume()
    trial.simulate(
        "--events", 5_000, "--rate", 2_500, "--start", "2026-03-02T18:00", "--speed", 100,
        "--duplicates", 0.2,
    )  # fmt: skip
    outcome = trial.assert_exact()
    ids = Counter(record.value for record in outcome.clicks)
    assert sum(n - 1 for n in ids.values()) > 500
    assert trial.store.read_totals()["counted"] == len(outcome.clicks)


def test_an_event_at_the_boundary_is_in_or_late_exactly_by_the_rule(make_trial: MakeTrial) -> None:
    trial = make_trial(partitions=1, bucket_seconds=30, max_out_of_orderness_seconds=5)
    trial.consume()
    trial.write(
        (0, click(START_MS + 29_999)),  # the last moment of bucket 0
        (0, click(START_MS + 30_000)),  # the first of bucket 30
        (0, click(START_MS + 34_999)),  # the watermark is at 29,999: bucket 0 is open
        (0, click(START_MS)),  # out of order, in time
        (0, click(START_MS + 35_000)),  # the watermark is at 30,000: bucket 0 has ended
        (0, click(START_MS + 29_999)),  # late, offset 5
        (0, click(START_MS + 30_000)),  # out of order, in time
    )
    outcome = trial.assert_exact()
    assert counts(outcome) == {0: 2, 30: 4}
    assert offsets(outcome.late) == {(0, 5)}  # type: ignore[arg-type]
    assert dict(outcome.late[0].headers)["genrecast-bucket-start"] == str(START_MS).encode()


def test_buckets_close_with_zeros_though_partitions_are_silent_or_were_never_written(
    make_trial: MakeTrial,
) -> None:
    trial = make_trial(**LIVE)
    trial.consume()
    trial.consume()
    now = wall_clock_ms()
    trial.write((0, click(now)), (1, click(now)))  # partition 2 never has a record
    trial.wait_for_buckets(4)
    burst = wall_clock_ms()
    trial.write(*((p, click(burst + n, "drama")) for n in range(50) for p in (0, 1, 2)))
    outcome = trial.assert_exact(was_idle=True)
    assert outcome.late == []  # an event in time is not late after a quiet night
    assert any(forecast.observed_clicks == 0 for forecast in outcome.forecasts)
    drama = sum(f.observed_clicks for f in outcome.forecasts if f.genre == "drama")
    assert drama == 150


def test_nobody_is_late_who_was_merely_unread(make_trial: MakeTrial) -> None:
    trial = make_trial(**LIVE | {"session_timeout_seconds": 30})
    members = [trial.consume() for _ in range(3)]
    now = wall_clock_ms()
    trial.write(*((p, click(now)) for p in (0, 1, 2)))
    trial.wait_for(lambda: len((trial.progress() or empty()).offsets) == 3, "all partitions read")
    trial.wait_for_buckets(1)
    # A lease outlives its owner by 2 s: one that has just had a record has none.
    before = (trial.progress() or empty()).offsets
    now = wall_clock_ms()
    trial.write(*((p, click(now)) for p in (0, 1, 2)))
    trial.wait_for(
        lambda: all(
            (trial.progress() or empty()).offsets.get(p, 0) > at for p, at in before.items()
        ),
        "the last record before the frost",
    )
    frozen = members[-1]
    frozen.pause()
    for _ in range(12):  # the others go on for longer than leases, idle timeout and many buckets
        at = wall_clock_ms()
        trial.write(*((p, click(at)) for p in (0, 1, 2)))
        time.sleep(0.5)
    frozen.resume()
    outcome = trial.assert_exact()
    assert outcome.late == []


def test_wrong_clocks_are_dead_letters_and_do_not_move_the_watermark(trial: Trial) -> None:
    trial.consume()
    now = wall_clock_ms()
    trial.write(
        (0, click(now)),
        (0, click(now + 2 * 3_600_000)),  # offset 1: two hours ahead
        (0, click(0)),  # 2
        (0, click(-5)),  # 3
        (0, orjson_with_time(b"9223372036854775808")),  # 4
        (0, click(now // 1000)),  # 5: seconds for milliseconds: in 1970, late
        (0, click(now - 86_400_000)),  # 6: a day behind: late
        (0, click(now + 1)),
    )
    outcome = trial.assert_exact()
    assert offsets(outcome.dead_letters) == {(0, 1), (0, 2), (0, 3), (0, 4)}  # type: ignore[arg-type]
    assert offsets(outcome.late) == {(0, 5), (0, 6)}  # type: ignore[arg-type]
    reasons = [dict(r.headers)["genrecast-reason"] for r in outcome.dead_letters]
    assert all(b"event_time" in reason for reason in reasons), reasons
    assert sum(forecast.observed_clicks for forecast in outcome.forecasts) == 2


def test_a_jump_of_years_resets_the_window_instead_of_closing_a_flood_of_buckets(
    trial: Trial, tmp_path: Path
) -> None:
    trial.consume()
    day = 86_400_000
    trial.write(*((p, click(START_MS - 400 * day)) for p in range(4)))
    trial.write(*((p, click(START_MS - 400 * day + 100_000)) for p in range(4)))
    trial.wait_for_buckets(1)
    trial.write(*((p, click(START_MS)) for p in range(4)))
    trial.write(*((p, click(START_MS + 100_000)) for p in range(4)))
    outcome = trial.assert_exact()
    assert len(outcome.journal) < 20
    assert [record.bucket_start for record in outcome.journal if record.is_reset] == [START_MS]
    assert trial.store.read_totals()["window_resets"] == 1
    trial.wait_for_log("a gap longer than the window")


def orjson_with_time(digits: bytes) -> bytes:
    """Return a click whose time is written digit by digit."""
    return (
        b'{"event_id":"x","user_id":"u","show_id":"s","genres":["crime"],"event_time":%b}' % digits
    )


def empty() -> "Nothing":
    """Stand for a deployment that can't be read just now."""
    return Nothing()


class Nothing:
    offsets: dict[int, int] = {}  # noqa: RUF012
