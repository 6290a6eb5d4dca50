"""Dead letters as a user sees them, and sent again: each once, whatever happens to who sends them.

One deployment with buckets of an hour. Its consumer allowed events of 1,000 bytes until it had read
all of this, and allows more since:

    hour      20:00          21:00          22:00
              |--------------|--------------|
    clicks    L . . .                . L L L L …         .: sound   L: sound but large
    junk      three records that are no events, one of them hostile
"""

import base64
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from consumer.broker.topics import Topics
from consumer.dead_letters.ledger import read_ledger
from consumer.dead_letters.replay import replay
from consumer.dead_letters.selection import Selection
from consumer.dead_letters.sending import Tally
from genrecast.cli import cli
from stack.runner import Endpoints
from tests.deployment import Deployment, deployment, observed_per_genre

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

PATIENCE_SECONDS = 90.0
HOUR_MS = 3_600_000
START_MS = 1_772_481_600_000  # 2026-03-02T20:00
LARGE = 1_200
HOSTILE = b'\x1b]0;owned\x07{"event_id": "\xe2\x80\xae\xff"}'


def click(time_ms: int, genre: str, *, is_large: bool = False) -> bytes:
    fields = {"event_id": "e", "event_time": time_ms, "user_id": "u", "show_id": "s"}
    padding = {"padding": "x" * 1_000} if is_large else {}
    return orjson.dumps({**fields, "genres": [genre], **padding})


def wait_for(is_true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def write(d: Deployment, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=d.kafka_bootstrap, linger_ms=20)
    for value in values:
        producer.send(d.settings.topic_clicks, value, partition=0)
    producer.flush(timeout=PATIENCE_SECONDS)
    producer.close()


@pytest.fixture(scope="module")
def deployed(services: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    logs = tmp_path_factory.mktemp("dead-letters")
    with deployment(
        services.kafka_bootstrap, services.redis_url, logs, bucket_seconds=3_600,
        max_event_bytes=1_000, idle_timeout_seconds=1, transaction_timeout_seconds=20,
        dead_letter_max_ratio=1,
    ) as d:  # fmt: skip
        admin = KafkaAdminClient(bootstrap_servers=d.kafka_bootstrap)
        made = {"num_partitions": 1, "configs": {"message.timestamp.type": "LogAppendTime"}}
        admin.create_topics({d.settings.topic_clicks: made}, wait_for_metadata=True)
        admin.close()
        strict = d.start("consume")
        late = [click(START_MS, "late", is_large=True)]
        sound = [click(START_MS + n, "crime") for n in range(3)]
        newer = [click(START_MS + HOUR_MS + HOUR_MS // 2, "crime")]
        large = [click(START_MS + HOUR_MS + HOUR_MS // 2, "noir", is_large=True)] * LARGE
        write(d, [*late, *sound, *newer, *large, b"{", b"[]", HOSTILE])
        wait_for(lambda: d.totals().get("dead_letters", 0) == LARGE + 4, "the dead letters")
        wait_for(lambda: d.totals().get("buckets", 0) == 1, "the first bucket")
        strict.terminate()
        assert strict.wait(PATIENCE_SECONDS) == 0
        yield d


def ran(d: Deployment, name: str, *arguments: object) -> Result:
    """Run a command in this process: starting one for each would take most of the time."""
    return CliRunner().invoke(cli, d.command(f"dead-letters {name}", *arguments)[3:])


def told(d: Deployment, name: str, *arguments: object) -> dict[str, Any]:
    done = ran(d, name, "--json", *arguments)
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def replayed(d: Deployment, limit: int | None = None) -> Tally:
    """Send again what the contract takes now."""
    tally = Tally()
    replay(
        d.settings, Selection(), tally, lambda _what: lambda _done, _total: None,
        is_real=True, limit=limit,
    )  # fmt: skip
    return tally


def lenient(d: Deployment) -> None:
    """From here on larger events are allowed."""
    d.options = {**d.options, "max_event_bytes": 4_000}


def see_to_a_consumer(d: Deployment) -> None:
    """Have a consumer run: starting one takes long, so it goes on from test to test."""
    if not any("'consume'" in str(p.args) and p.poll() is None for p in d.running):
        d.start("consume")


def sent_again(d: Deployment) -> Counter[str]:
    """How often each record is on the clicks topic again, by where it was."""
    headers = (dict(record.headers) for record in d.read_topic("topic_clicks"))
    return Counter(h["genrecast-replay-of"].decode() for h in headers if "genrecast-replay-of" in h)


def test_letters_are_listed_by_reason(deployed: Deployment) -> None:
    found = told(deployed, "ls")
    assert (found["letters"], found["replayed"], found["copies"]) == (LARGE + 4, 0, 0)
    by_reason = {kind["reason"]: kind for kind in found["reasons"]}
    large = by_reason["value: N bytes, at most N allowed"]
    assert large["letters"] == LARGE + 1
    assert large["first_ms"] <= large["last_ms"]
    assert sum(kind["letters"] for kind in by_reason.values()) == LARGE + 4

    junk = told(deployed, "ls", "--reason", "NOT json")
    assert junk["letters"] == 2
    partition, _, offset = junk["reasons"][0]["example"].partition(":")
    one = told(deployed, "ls", "--partition", partition, "--offset", f"{offset}-{offset}")
    assert one["letters"] == 1
    assert told(deployed, "ls", "--limit", 7)["letters"] == 7
    assert told(deployed, "ls", "--until", large["first_ms"])["letters"] == 0
    assert told(deployed, "ls", "--since", "2100-01-01")["letters"] == 0

    assert "1,204 dead letters, 0 sent again" in ran(deployed, "ls").stdout


def test_a_letter_is_shown_and_its_control_characters_are_not(deployed: Deployment) -> None:
    hostile = next(
        f"{record.partition}:{record.offset}"
        for record in deployed.read_topic("topic_dead_letter")
        if record.value == HOSTILE
    )
    found = told(deployed, "show", hostile)
    assert base64.b64decode(found["value_base64"]) == HOSTILE
    assert (found["topic"], found["partition"]) == (deployed.settings.topic_clicks, 0)
    assert found["offset"] == LARGE + 7
    assert found["timestamp_ms"] <= found["put_aside_ms"]
    shown = ran(deployed, "show", hostile).stdout
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert r"\x1b]0;owned\x07" in shown
    assert r"\u202e\xff" in shown
    assert "Write one JSON object per record" in shown


def test_a_place_without_a_letter_is_named(deployed: Deployment) -> None:
    done = ran(deployed, "show", "0:999999")
    assert done.exit_code == 1
    assert "nothing at 0:999999 of" in done.stderr


def test_a_dry_run_foretells_and_sends_nothing(deployed: Deployment) -> None:
    strict = told(deployed, "replay")
    assert strict["sent"] == 0
    assert strict["refused"] == LARGE + 4
    lenient(deployed)
    found = told(deployed, "replay", "--dry-run")
    assert (found["sent"], found["counted"], found["late"]) == (LARGE + 1, LARGE, 1)
    assert found["refused"] == sum(found["refusals"].values()) == 3
    assert not sent_again(deployed)


@contextmanager
def records_at_most(d: Deployment, size_bytes: int) -> Iterator[None]:
    """Have the topic of clicks take no larger records for a while."""
    topic = d.settings.topic_clicks
    topics = Topics(d.settings)
    admin = KafkaAdminClient(bootstrap_servers=d.kafka_bootstrap)

    def allow(size: int) -> None:
        changed = {"max.message.bytes": str(size)}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, changed)])
        wait_for(lambda: topics.max_record_bytes(topic) == size, "the topic's limit")

    before = topics.max_record_bytes(topic)
    assert before is not None
    allow(size_bytes)
    try:
        yield
    finally:
        allow(before)
        admin.close()
        topics.close()


def test_letters_that_the_topic_is_too_small_for_are_left_out_and_said(
    deployed: Deployment,
) -> None:
    lenient(deployed)
    with records_at_most(deployed, 1_000):
        done = ran(deployed, "replay", "--json")
        assert replayed(deployed).outcomes == {"too_large": LARGE + 1, "refused": 3}
    assert done.exit_code == 1
    assert "raise its max.message.bytes" in done.stderr
    found = json.loads(done.stdout)
    assert (found["sent"], found["too_large"], found["refused"]) == (0, LARGE + 1, 3)
    assert not sent_again(deployed)


def test_each_letter_is_sent_once_through_kills_twins_and_repetitions(
    deployed: Deployment,
) -> None:
    lenient(deployed)
    see_to_a_consumer(deployed)

    def killed_at(point: str) -> int:
        """Kill a replay there; return how many letters were sent by then."""
        assert seam(deployed, point, "kill").wait(PATIENCE_SECONDS) == -signal.SIGKILL
        return len(read_ledger(deployed.settings))

    assert killed_at("between-sends:900") == 0
    assert killed_at("inside-transaction:2") == 500
    assert killed_at("after-publish:1") == 1_000
    assert replayed(deployed, limit=100).sent == 100

    frozen = seam(deployed, "inside-transaction:1", "stop")
    wait_for(lambda: is_stopped(frozen), "the first replay inside its transaction")
    assert replayed(deployed).sent == LARGE + 1 - 1_100
    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(PATIENCE_SECONDS) == 1
    assert "another replay took over; 0 were sent before" in deployed.log_text()

    again = json.loads(deployed.run("dead-letters replay", "--yes", "--json"))
    assert (again["sent"], again["replayed"], again["refused"]) == (0, LARGE + 1, 3)
    times = sent_again(deployed)
    assert len(times) == LARGE + 1
    assert set(times.values()) == {1}
    assert told(deployed, "ls")["replayed"] == LARGE + 1
    wait_for(lambda: deployed.totals()["counted"] == LARGE + 4, "the letters sent again")


def test_counts_are_the_truth_with_what_was_sent_again(deployed: Deployment) -> None:
    """Runs after the letters were sent again, on what that left."""
    lenient(deployed)
    see_to_a_consumer(deployed)
    replayed(deployed)
    wait_for(lambda: deployed.totals()["counted"] == LARGE + 4, "the letters sent again")
    deployed.run("close")
    wait_for(lambda: deployed.totals()["buckets"] == 2, "the last bucket")
    assert observed_per_genre(deployed.forecasts()) == {"crime": 4, "noir": LARGE}
    late = [orjson.loads(record.value)["genres"] for record in deployed.read_topic("topic_late")]
    assert late == [["late"]]
    assert len(deployed.read_topic("topic_dead_letter")) == LARGE + 4
    verified = json.loads(deployed.run("verify", "--json"))
    assert verified["is_exact"], verified["differences"]
    assert verified["events"] == LARGE + 4
    assert verified["dead_letters"] == LARGE + 4


def seam(d: Deployment, point: str, what: str) -> subprocess.Popen[bytes]:
    """Start a replay that is hit at a point between two effects."""
    command = d.command("dead-letters replay", "--yes")[3:]
    arguments = [sys.executable, "-m", "tests.faults.seam", "--at", point, "--do", what, "--"]
    with (d.logs / f"{len(d.running)}-replay.log").open("wb") as log:
        process = subprocess.Popen([*arguments, *command], stdout=log, stderr=subprocess.STDOUT)
    d.running.append(process)
    return process


def is_stopped(process: subprocess.Popen[bytes]) -> bool:
    """Say whether a process stands still, as SIGSTOP leaves it."""
    state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"
