"""The forecaster's producer against a broker that hangs in the middle of a transaction."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.broker.journal import Journal
from consumer.broker.publisher import Publisher
from consumer.broker.topics import Topics
from consumer.errors import FencedError
from contracts.settings import Settings
from stack.runner import Stack

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
    unique = uuid.uuid4().hex[:8]
    made: dict[str, object] = {
        "app": unique,
        "kafka_bootstrap": stack.kafka.bootstrap,
        "transaction_timeout_seconds": 3,
        **{f"topic_{name}": f"{unique}-{name}" for name in ("clicks", "forecasts", "buckets")},
        **{f"topic_{name}": f"{unique}-{name}" for name in ("late", "dead_letter")},
    }
    topics = Topics(Settings.model_validate(made))
    topics.make_missing(with_clicks=True)
    topics.close()
    yield made
    stack.kafka.resume()


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
    flush: Callable[..., None] = publisher._transactions._producer.flush

    def flush_and_freeze(timeout: float | None = None) -> None:
        flush(timeout=timeout)
        os.kill(broker_pid, signal.SIGSTOP)

    publisher._transactions._producer.flush = flush_and_freeze


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
