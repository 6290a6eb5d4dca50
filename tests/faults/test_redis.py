"""One Redis that crashes, loses what it had, refuses or is full: the counts stay exact."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from contracts.settings import Settings
from stack.ports import HOST, pick_port
from state.redis_store import RedisStore
from state.store import DeploymentAbsentError
from tests.faults.redis_servers import RedisServer, hold, keep_copy, one_server, put_back
from tests.faults.trial import TRAFFIC, Trial

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(240)]

MakeTrial = Callable[..., Trial]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with one_server(tmp_path) as server:
        yield server


def under_traffic(trial: Trial, *, buckets: int = 4, events: int = 10_000) -> None:
    """Have traffic flow and some buckets published."""
    trial.simulate("--events", events, "--rate", 1_500, *TRAFFIC)
    trial.wait_for_buckets(buckets)


def restores(trial: Trial) -> int:
    return trial.store.read_totals().get("restores", 0)


def readiness(port: int) -> tuple[int, str]:
    """Return status and reasons of a consumer."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=10) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, " ".join(json.loads(error.read())["reasons"].values())
    except OSError:
        return 0, ""


@pytest.mark.parametrize("buckets_lost", [0, 4])
def test_counts_are_exact_after_a_crash_that_lost_the_last_writes(
    server: RedisServer, make_trial: MakeTrial, buckets_lost: int
) -> None:
    trial = make_trial(redis_url=server.url)
    trial.consume()
    under_traffic(trial, events=20_000)
    kept = server.aof.stat().st_size + 7  # breaks off in the middle of a command
    published = trial.published()
    trial.wait_for(lambda: server.aof.stat().st_size > kept + 5_000, "more writes")
    trial.wait_for_buckets(published + buckets_lost)
    server.crash()
    os.truncate(server.aof, kept)
    server.start()
    trial.assert_exact()
    if buckets_lost:
        assert restores(trial) >= 1


@pytest.mark.parametrize("buckets", [0, 4])
def test_counts_are_exact_after_everything_was_deleted(
    server: RedisServer, make_trial: MakeTrial, buckets: int
) -> None:
    trial = make_trial(redis_url=server.url)
    trial.consume()
    trial.consume()
    under_traffic(trial, buckets=0)
    trial.wait_for(lambda: bool((p := trial.progress()) and p.offsets), "first records")
    trial.wait_for_buckets(buckets)
    server.client.flushall()
    trial.assert_exact()
    assert restores(trial) == (1 if buckets else restores(trial))


def test_counts_are_exact_after_an_old_copy_was_put_back(
    server: RedisServer, make_trial: MakeTrial, tmp_path: Path
) -> None:
    trial = make_trial(redis_url=server.url)
    trial.consume()
    under_traffic(trial)
    keep_copy(server, tmp_path / "aside")
    trial.wait_for_buckets(trial.published() + 6)
    server.stop()
    put_back(server, tmp_path / "aside")
    server.start()
    trial.assert_exact()
    assert restores(trial) >= 1


def test_two_losses_in_a_row_are_made_good(server: RedisServer, make_trial: MakeTrial) -> None:
    trial = make_trial(redis_url=server.url)
    trial.consume()
    trial.consume()
    under_traffic(trial, events=14_000)
    for _ in range(3):
        server.client.flushall()
        trial.wait_for(lambda: restores(trial) == 1, "a restore")
    trial.assert_exact()
    assert restores(trial) == 1  # the totals begin anew with each


def test_forgotten_scripts_are_brought_again(server: RedisServer, make_trial: MakeTrial) -> None:
    trial = make_trial(redis_url=server.url)
    trial.consume()
    under_traffic(trial)
    for _ in range(5):
        server.client.script_flush()
        trial.wait_for_buckets(trial.published() + 1)
    trial.assert_exact()
    assert not restores(trial)


@pytest.mark.parametrize(
    ("serves_stale", "said"), [("yes", "read only replica"), ("no", "MASTERDOWN|MASTER is down")]
)
def test_a_demoted_primary_pauses_it(
    server: RedisServer, make_trial: MakeTrial, serves_stale: str, said: str
) -> None:
    port = pick_port()
    trial = make_trial(redis_url=server.url, health_port=port)
    trial.consume()
    under_traffic(trial)
    server.client.config_set("replica-serve-stale-data", serves_stale)
    server.client.replicaof(HOST, 1)
    trial.wait_for(
        lambda: any(part in readiness(port)[1] for part in said.split("|")), "not being ready"
    )
    server.client.replicaof("NO", "ONE")
    trial.wait_for(lambda: readiness(port)[0] == 200, "being ready again")
    trial.assert_exact()


def test_intake_pauses_while_memory_is_full_and_goes_on_when_there_is_room(
    server: RedisServer, make_trial: MakeTrial
) -> None:
    port = pick_port()
    trial = make_trial(redis_url=server.url, health_port=port)
    consumer = trial.consume()
    under_traffic(trial)
    server.client.config_set("maxmemory-policy", "noeviction")
    server.client.config_set("maxmemory", 1)
    trial.wait_for(lambda: "used memory > 'maxmemory'" in readiness(port)[1], "saying so")
    before = trial.store.read_progress()
    hold(2.0, lambda: trial.store.read_progress() == before and readiness(port)[0] == 503)
    assert len(trial.running()) == 1
    assert consumer.log.read_text().count("used memory > 'maxmemory'") <= 4  # not at every try
    server.client.config_set("maxmemory", 0)
    trial.wait_for(lambda: readiness(port)[0] == 200, "being ready again")
    trial.assert_exact()
    assert not restores(trial)


def test_a_full_memory_can_be_looked_at_and_emptied(server: RedisServer) -> None:
    settings = Settings(redis_url=server.url, app="full")
    with closing(RedisStore.connect(settings)) as store:
        store.open()
    server.client.config_set("maxmemory-policy", "noeviction")
    server.client.config_set("maxmemory", 1)
    with closing(RedisStore.connect(settings)) as store:
        assert store.read_progress().offsets == {}
        store.wipe()
        with pytest.raises(DeploymentAbsentError):
            store.read_progress()


def test_a_password_that_changes_under_a_consumer_is_said_and_waited_for(
    server: RedisServer, make_trial: MakeTrial
) -> None:
    port = pick_port()
    url = server.url.replace("redis://", "redis://:s3cret-word@")
    server.set_password("s3cret-word")
    trial = make_trial(redis_url=url, health_port=port)
    consumer = trial.consume()
    under_traffic(trial)
    server.set_password("another")
    trial.wait_for(lambda: "Redis refuses the login" in readiness(port)[1], "saying so")
    server.set_password("s3cret-word")
    trial.assert_exact()
    assert "s3cret-word" not in consumer.log.read_text()
