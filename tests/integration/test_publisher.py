"""The forecaster's producer against a broker that hangs in the middle of a transaction."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.producer.producer_batch import ProducerBatch

from consumer.broker.journal import Journal
from consumer.broker.publisher import Publisher
from consumer.broker.topics import Topics
from consumer.errors import FencedError
from contracts.settings import Settings
from stack.runner import Endpoints, Stack

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

PATIENCE_SECONDS = 60.0
BUCKET_MS = 60_000

DIE_IN_COMMIT = """
import json, sys
from contracts.settings import Settings
from tests.integration.test_publisher import freeze_at_commit, publish
from consumer.broker.publisher import Publisher

publisher = Publisher(Settings(**json.loads(sys.argv[1])))
freeze_at_commit(publisher, int(sys.argv[2]))
try:
    publish(publisher, 0)
finally:
    publisher.close()
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A broker of its own: one that is frozen would hold up all other tests."""
    directory = tmp_path_factory.mktemp("frozen")
    with Stack(directory, 0, redis_port=0, dies_with_parent=True) as own:
        yield own


@pytest.fixture
def options(stack: Stack) -> Iterator[dict[str, object]]:
    made: dict[str, object] = {
        "kafka_bootstrap": stack.kafka.bootstrap,
        "transaction_timeout_seconds": 3,
    }
    yield with_topics(made).model_dump(include=made.keys() | NAMES)
    stack.kafka.resume()


NAMES = frozenset(
    {"app", *(f"topic_{n}" for n in ("clicks", "forecasts", "buckets", "late", "dead_letter"))}
)


def with_topics(made: dict[str, object], configs: dict[str, str] | None = None) -> Settings:
    """Make a deployment's topics, `configs` for its forecasts; return its settings."""
    unique = uuid.uuid4().hex[:8]
    names = {name: f"{unique}-{name}" for name in NAMES}
    settings = Settings.model_validate({**names, **made})
    if configs:
        with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)) as admin:
            topic = {"num_partitions": 3, "configs": configs}
            admin.create_topics({settings.topic_forecasts: topic}, wait_for_metadata=True)
    topics = Topics(settings)
    topics.make_missing(with_clicks=True)
    topics.close()
    return settings


def record_of(bucket_ms: int) -> bytes:
    empty: dict[str, object] = {"counts": {}, "genres_first_bucket": {}, "cut": {}}
    return json.dumps(
        {
            "schema_version": 1, "bucket_start": bucket_ms, "bucket_seconds": 60, **empty,
            "replay_from": {}, "is_reset": False, "model_version": "none", "emitted_at": 0,
        }
    ).encode()  # fmt: skip


def publish(publisher: Publisher, bucket_ms: int) -> None:
    publisher.publish(bucket_ms, [("crime", b"{}")], record_of(bucket_ms))


def freeze_at_commit(publisher: Publisher, broker_pid: int) -> None:
    """Have the broker stop when everything is sent and acknowledged, before the commit."""
    transactions = publisher._transactions
    commit: Callable[[], None] = transactions._commit

    def freeze_and_commit() -> None:
        os.kill(broker_pid, signal.SIGSTOP)
        commit()

    transactions._commit = freeze_and_commit  # type: ignore[method-assign]


def test_a_commit_that_hangs_ends_as_unknown_and_the_next_forecaster_goes_on(
    stack: Stack, options: dict[str, object]
) -> None:
    settings, broker_pid = Settings.model_validate(options), stack.kafka.process.pid
    assert broker_pid is not None
    publisher = Publisher(settings)
    publish(publisher, 0)
    freeze_at_commit(publisher, broker_pid)
    began = time.monotonic()
    with pytest.raises(FencedError, match=r"outcome is unknown: .* does not answer the commit"):
        publish(publisher, BUCKET_MS)
    publisher.close()
    assert time.monotonic() - began < PATIENCE_SECONDS

    stack.kafka.resume()
    successor, journal = Publisher(settings), Journal(settings)
    tail = journal.read_tail()
    # Committed or aborted, the journal knows; the successor's start has settled which.
    assert tail is not None
    assert tail.bucket_start in (0, BUCKET_MS)
    publish(successor, 2 * BUCKET_MS)
    successor.close()
    published = [record.bucket_start for record in journal.read_back(10)]
    assert published == [*range(0, tail.bucket_start + 1, BUCKET_MS), 2 * BUCKET_MS]


def test_a_broker_that_hangs_before_the_records_are_in_is_given_up_too(
    stack: Stack, options: dict[str, object]
) -> None:
    settings = Settings.model_validate(options)
    publisher = Publisher(settings)
    publish(publisher, 0)
    stack.kafka.pause()
    began = time.monotonic()
    with pytest.raises(FencedError, match="outcome is unknown"):
        publish(publisher, BUCKET_MS)
    publisher.close()  # its records are still in hand
    publisher._transactions._producer._sender.join(PATIENCE_SECONDS)
    assert not publisher._transactions._producer._sender.is_alive(), "nothing is sent later"
    assert time.monotonic() - began < PATIENCE_SECONDS

    stack.kafka.resume()
    successor = Publisher(settings)
    tail = Journal(settings).read_tail()
    successor.close()
    assert tail is not None
    assert tail.bucket_start == 0


def test_a_producer_that_hangs_does_not_keep_its_process_from_ending(
    stack: Stack, options: dict[str, object], request: pytest.FixtureRequest
) -> None:
    command = [sys.executable, "-c", DIE_IN_COMMIT, json.dumps(options)]
    done = subprocess.run(
        [*command, str(stack.kafka.process.pid)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        cwd=Path(str(request.config.rootpath)),
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("consumer.errors.FencedError")


@pytest.fixture
def shared(services: Endpoints) -> Settings:
    """A deployment's topics on the broker of all tests."""
    return with_topics({"kafka_bootstrap": services.kafka_bootstrap})


def forecasts_of(genres: int, size: int) -> list[tuple[str, bytes]]:
    return [
        (f"genre {g}", json.dumps({"genre": g, "pad": "x" * size}).encode()) for g in range(genres)
    ]


def read_committed(settings: Settings, count: int) -> dict[int, list[tuple[bytes, bytes]]]:
    """Return keys and values of the forecast topic by partition, once there are so many."""
    found: dict[int, list[tuple[bytes, bytes]]] = {}
    with KafkaConsumer(
        settings.topic_forecasts,
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        metadata_max_age_ms=1_000,
    ) as consumer:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sum(map(len, found.values())) < count:
            assert time.monotonic() < deadline, f"{sum(map(len, found.values()))} of {count}"
            for tp, records in consumer.poll(timeout_ms=500).items():
                found.setdefault(tp.partition, []).extend((r.key, r.value) for r in records)
    return found


def test_batches_and_single_sends_leave_the_same_topic(shared: Settings) -> None:
    single = with_topics({"kafka_bootstrap": shared.kafka_bootstrap})
    forecasts = forecasts_of(500, 1_000)
    topics = []
    for settings, takes_batches in ((shared, True), (single, False)):
        publisher = Publisher(settings)
        publisher._transactions._takes_batches &= takes_batches
        assert publisher._transactions._takes_batches == takes_batches
        publisher.publish(0, forecasts, record_of(0))
        publisher.close()
        topics.append(read_committed(settings, len(forecasts)))
    assert topics[0] == topics[1]


def test_a_topic_that_takes_small_batches_only_gets_them_in_parts(services: Endpoints) -> None:
    settings = with_topics(
        {"kafka_bootstrap": services.kafka_bootstrap}, {"max.message.bytes": "20000"}
    )
    publisher = Publisher(settings)
    forecasts = forecasts_of(300, 1_000)
    for bucket in range(3):
        publisher.publish(bucket * BUCKET_MS, forecasts, record_of(bucket * BUCKET_MS))
    publisher.close()
    found = [pair for pairs in read_committed(settings, 900).values() for pair in pairs]
    assert sorted(found) == sorted([(g.encode(), value) for g, value in forecasts] * 3)


def test_another_client_gets_its_forecasts_one_by_one_and_that_is_said(
    shared: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ProducerBatch, "done", lambda self, base_offset: None)
    with caplog.at_level(logging.WARNING, "consumer.broker.transactions"):
        publisher = Publisher(shared)
    monkeypatch.undo()
    publisher.publish(0, forecasts_of(5, 10), record_of(0))
    publisher.close()
    assert sum(map(len, read_committed(shared, 5).values())) == 5
    said = [r.getMessage() for r in caplog.records if r.name == "consumer.broker.transactions"]
    says = "records of a transaction are sent one by one, slowly"
    assert said == [f"{says}: ProducerBatch.done takes other arguments"]
