"""The broker crashed, restarted, away; topics lost, cut short, grown, made anew."""

import json
import re
import signal
import time
import urllib.error
import urllib.request

import orjson
import pytest
from kafka import KafkaProducer, TopicPartition

from consumer.command_parts import EXIT_FAILED
from feed.client import ForecastFeed
from feed.status import read_status
from stack.ports import HOST, pick_port
from tests.faults.lab import Lab
from tests.faults.trial import TRAFFIC, Trial, click

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(300)]

START_MS = 1_772_474_400_000
"""A time in the past, epoch ms, where a bucket begins."""

AWAY_SECONDS = 60.0
"""How long the broker is away, and then it starts: longer than the clients' own time-outs."""


@pytest.mark.parametrize("is_crash", [True, False], ids=["SIGKILL", "SIGTERM"])
def test_counts_are_exact_over_a_restart_of_the_broker(
    lab: Lab, trial: Trial, is_crash: bool
) -> None:
    trial.consume()
    trial.consume()
    trial.simulate("--events", 8_000, "--rate", 1_000, *TRAFFIC)
    trial.wait_for_buckets(3)
    lab.restart_kafka(is_crash=is_crash)
    trial.assert_exact()


def test_a_broker_away_for_long_is_waited_for_and_nobody_grows(lab: Lab, trial: Trial) -> None:
    consumers = [trial.consume(), trial.consume()]
    simulator = trial.simulate("--events", 30_000, "--rate", 400, *TRAFFIC)
    trial.wait_for_buckets(3)
    lab.stop_kafka()
    time.sleep(AWAY_SECONDS)
    assert [member.poll() for member in (*consumers, simulator)] == [None] * 3, trial.describe()
    assert "not ready" in trial.log_text()
    lab.start_kafka()
    trial.assert_exact(may_doubt=True)
    assert simulator.peak_rss_bytes < 300_000_000


def test_subscribers_go_on_after_a_forecaster_died_in_its_transaction(
    lab: Lab, trial: Trial
) -> None:
    victim = trial.consume(seam=("--at", "inside-transaction:3", "--do", "kill"))
    trial.simulate("--events", 4_000, "--rate", 2_000, *TRAFFIC)
    trial.wait_for(lambda: victim.poll() is not None, "the death inside the transaction")
    died_at = time.monotonic()
    tps = [TopicPartition(trial.settings.topic_buckets, 0)]
    # Nobody takes over: the broker alone ends the transaction, after its timeout.
    trial.wait_for(lambda: trial.is_settled(tps), "the end of the hanging transaction")
    held_up = time.monotonic() - died_at
    assert held_up < trial.settings.transaction_timeout_seconds + 20
    seen: list[int] = []
    with ForecastFeed(trial.settings, begin="beginning") as feed:
        while not feed.is_at_end():
            seen += [bucket.start_ms for bucket in feed.poll(1_000)]
    assert len(seen) == 2  # what was committed before, and nothing of the third
    trial.consume()
    trial.assert_exact()


@pytest.mark.parametrize("name", ["late", "dead_letter"])
def test_an_unwritable_side_topic_pauses_and_nothing_is_swallowed(trial: Trial, name: str) -> None:
    topic = getattr(trial.settings, f"topic_{name}")
    trial.consume()
    trial.write((0, click(START_MS)))
    trial.wait_for(lambda: _offset(trial, 0) == 1, "the first record")
    trial.with_admin(lambda admin: admin.delete_topics([topic]))
    trial.write((0, click(START_MS + 200_000)), (0, click(START_MS + 100)), (0, b"no JSON"))
    trial.write((0, click(START_MS + 200_001)))
    trial.wait_for_log("not ready: writing late events and dead letters")
    assert _offset(trial, 0) < 5
    trial.make_topics({name: 1})
    outcome = trial.assert_exact()
    assert (len(outcome.clicks), _offset(trial, 0)) == (5, 5)


def test_a_broken_producers_output_pauses_and_goes_aside_only_when_somebody_says_so(
    trial: Trial,
) -> None:
    broken = 1_200
    first = trial.consume()
    trial.write((0, click(START_MS)), *((1, b"broken") for _ in range(broken)))
    trial.wait_for_log("records are dead letters, more than GENRECAST_DEAD_LETTER_MAX_RATIO=0.5")
    assert "mend the producer, or raise the limit" in trial.log_text()
    assert _offset(trial, 1) < broken
    first.send(signal.SIGTERM)
    assert first.wait(timeout=30) == 0
    trial.option("dead_letter_max_ratio", 1)
    trial.consume()
    outcome = trial.assert_exact()
    assert len(outcome.dead_letters) == broken


def test_a_pause_for_dead_letters_is_told_everywhere_and_ends_when_the_producer_is_mended(
    trial: Trial,
) -> None:
    broken, sound = 3_000, 600
    port = pick_port()
    trial.option("health_port", port)
    first = trial.consume()
    trial.write((0, click(START_MS)))
    _write_all(trial, [b"broken"] * broken)
    trial.wait_for(lambda: bool(_paused(trial)), "the pause")
    assert "mend the producer" in _paused(trial)[1]

    first.kill()
    trial.consume()  # it has seen nothing yet of what was broken, and lets none of it through
    trial.wait_for(lambda: "dead_letters" in _reasons(port), "the reason over HTTP")
    for _ in range(20):
        assert "partition 1" in _reasons(port)["dead_letters"], "it does not come and go"
    metrics = _get(port, "/metrics")
    assert 'genrecast_not_ready{part="dead_letters"} 1.0' in metrics
    # The sound record of partition 0 may be read again beside them.
    ratio = re.search(r"^genrecast_dead_letter_ratio (\S+)$", metrics, re.MULTILINE)
    assert ratio is not None
    assert float(ratio[1]) > 0.9
    assert "mend the producer" in (read_status(trial.settings).partitions[1].paused or "")
    assert _offset(trial, 1) < broken

    _write_all(trial, [orjson.dumps(click(START_MS + n)) for n in range(sound)])
    trial.wait_for_log("the producer is mended")
    trial.wait_for(lambda: _offset(trial, 1) == broken + sound, "all records")
    trial.wait_for(lambda: "dead_letters" not in _reasons(port), "readiness")
    assert not _paused(trial)
    outcome = trial.assert_exact()
    assert len(outcome.dead_letters) == broken


def _write_all(trial: Trial, values: list[bytes]) -> None:
    """Write values to partition 1, all at once."""
    producer = KafkaProducer(bootstrap_servers=trial.settings.kafka_bootstrap, linger_ms=20)
    for value in values:
        producer.send(trial.settings.topic_clicks, value, partition=1)
    producer.flush(timeout=60)
    producer.close(timeout=5)


def _paused(trial: Trial) -> dict[int, str]:
    progress = trial.progress()
    return progress.paused if progress else {}


def _get(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
    except OSError:
        return "{}"  # it does not listen yet


def _reasons(port: int) -> dict[str, str]:
    reasons: dict[str, str] = json.loads(_get(port, "/readyz")).get("reasons", {})
    return reasons


def test_records_that_retention_took_are_named_and_the_rest_is_counted(trial: Trial) -> None:
    first = trial.consume()
    trial.write(*((0, click(START_MS + n)) for n in range(10)))
    trial.wait_for(lambda: _offset(trial, 0) == 10, "the first ten")
    first.kill()
    trial.write(*((0, click(START_MS + n)) for n in range(10, 30)))
    clicks = TopicPartition(trial.settings.topic_clicks, 0)
    trial.with_admin(lambda admin: admin.delete_records({clicks: 25}))
    trial.consume()
    trial.wait_for_log("partition 0: offsets 10-24 are lost, retention passed them")
    outcome = trial.drain()
    assert sum(forecast.observed_clicks for forecast in outcome.forecasts) == 10 + 5
    assert _offset(trial, 0) == 30


def test_a_topic_that_was_made_anew_stops_the_consumer_with_a_message(trial: Trial) -> None:
    first = trial.consume()
    trial.write(*((0, click(START_MS + n)) for n in range(10)))
    trial.wait_for(lambda: _offset(trial, 0) == 10, "the first ten")
    first.kill()
    trial.with_admin(lambda admin: admin.delete_topics([trial.settings.topic_clicks]))
    trial.make_topics({"clicks": 4})
    trial.write((0, click(START_MS)))
    second = trial.consume()
    trial.wait_for(lambda: second.poll() is not None, "the refusal")
    assert second.exit_code == EXIT_FAILED, trial.describe()
    assert "the topic was recreated. Use another GENRECAST_APP" in trial.log_text()


def test_partitions_that_are_added_are_read_and_hold_the_watermark(trial: Trial) -> None:
    trial.consume()
    trial.consume()
    trial.write(*((p, click(START_MS + 100_000 * n)) for n in range(3) for p in range(4)))
    trial.wait_for_buckets(3)
    trial.with_admin(lambda admin: admin.create_partitions({trial.settings.topic_clicks: 6}))
    trial.wait_for(lambda: len(trial.log_ends()) == 6, "the new partitions")
    later = START_MS + 300_000
    trial.write(*((p, click(later, "drama")) for p in (4, 5, 0, 1, 2, 3)))
    outcome = trial.assert_exact()
    assert sum(f.observed_clicks for f in outcome.forecasts if f.genre == "drama") == 6
    assert outcome.progress.offsets.keys() == set(range(6))


def _offset(trial: Trial, partition: int) -> int:
    progress = trial.progress()
    return progress.offsets.get(partition, 0) if progress else 0
