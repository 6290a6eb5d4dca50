"""Life of models, an LSTM and a Transformer, on real Kafka and Redis: shadow to roll back."""

import itertools
import json
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from click.testing import CliRunner, Result

from contracts.forecasts import BucketRecord, GenreForecast
from contracts.measures import MEASURE_COUNT
from genrecast.cli import cli
from model.artifact import Artifact, pack_weights, save_artifact
from model.forecaster import Forecaster, Forecasts, grow_state
from model.live import LIVE_VERSION
from model.registry import live, open_artifact
from model.shape import Architecture
from model.window import Window
from stack.runner import Endpoints
from tests.deployment import Deployment, assert_each_bucket_once_in_order, deployment
from tests.unit.model.making import make_artifact

BUCKET_MS = 60_000
HORIZON = 6
UNKNOWN_SECONDS = 30
"""No model is shipped for such buckets: to fill the windows, the baseline is enough."""

A, B = f"lstm-a+{LIVE_VERSION}", f"transformer-b+{LIVE_VERSION}"

Number = tuple[int, str]  # bucket, genre


def write_version(directory: Path, name: str, seed: int) -> Path:
    artifact = versioned(name, seed)
    save_artifact(directory / name, pack_weights(artifact.weights), artifact.manifest)
    return directory / name


def versioned(name: str, seed: int) -> Artifact:
    architecture: Architecture = "transformer" if name.startswith("transformer") else "lstm"
    artifact = make_artifact(seed=seed, architecture=architecture)
    manifest = artifact.manifest.model_copy(update={"model_version": name})
    return replace(artifact, manifest=manifest)


def models(d: Deployment, name: str, *arguments: object) -> Result:
    taken = ["app", "redis_url", *(["bucket_seconds", "horizon"] if name == "add" else [])]
    options = [f"--{key.replace('_', '-')}={d.options[key]}" for key in taken]
    return CliRunner().invoke(cli, ["models", name, *options, *map(str, arguments)])


def told(d: Deployment, name: str, *arguments: object) -> str:
    done = models(d, name, *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def listed(d: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told(d, "ls", "--json"))
    return found


def version(d: Deployment, name: str) -> dict[str, Any]:
    (found,) = [one for one in listed(d)["versions"] if one["version"] == name]
    return dict(found)


def wait_until(d: Deployment, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline, d.log_text()[-5000:]
        time.sleep(0.3)


class Evening:
    """Traffic in parts of ten minutes, one after the other."""

    def __init__(self, d: Deployment) -> None:
        self.d = d
        self.parts = 0

    def send(self) -> None:
        minute = 10 * self.parts
        self.d.run(
            "simulate", "--events", 6_000, "--rate", 20_000, "--speed", 2_000, "--seed", self.parts,
            "--start", f"2026-03-02T{18 + minute // 60:02}:{minute % 60:02}",
        )  # fmt: skip
        self.parts += 1

    def send_and_wait(self) -> None:
        before = self.d.totals().get("buckets", 0)
        self.send()
        wait_until(self.d, lambda: self.d.totals().get("buckets", 0) >= before + 5)


@pytest.mark.services
@pytest.mark.timeout(600)
def test_swaps_restarts_and_rollbacks_change_no_number_and_a_poisoned_candidate_is_refused(
    services: Endpoints, tmp_path: Path
) -> None:
    first = write_version(tmp_path, "lstm-a", seed=5)
    second = write_version(tmp_path, "transformer-b", seed=6)
    third = write_version(tmp_path, "lstm-c", seed=7)
    with deployment(
        services.kafka_bootstrap, services.redis_url, tmp_path / "logs", bucket_seconds=60,
        horizon=HORIZON,
    ) as d:  # fmt: skip
        d.make_topics()
        evening = Evening(d)
        assert "lstm-a is the candidate" in told(d, "add", first)
        told(d, "promote", "lstm-a")
        consumer = d.start("consume")
        evening.send_and_wait()

        told(d, "add", second)
        wait_until(d, lambda: f"transformer-b ({B}) runs in shadow" in d.log_text())
        evening.send_and_wait()
        assert {r.model_version for r in journal(d)} == {A}, "a shadow publishes nothing"
        wait_until(d, lambda: (version(d, "transformer-b")["live"] or {}).get("buckets", 0) > 0)
        assert version(d, "lstm-a")["live"]["rolling"]["coverage"] is not None

        told(d, "promote", "transformer-b")
        evening.send_and_wait()
        assert journal(d)[-1].model_version == B
        assert consumer.poll() is None, "without a restart"

        evening.send()
        consumer.send_signal(signal.SIGKILL)
        consumer.wait()
        consumer = d.start("consume")
        evening.send_and_wait()

        assert "lstm-a is the champion" in told(d, "rollback")
        evening.send_and_wait()
        assert journal(d)[-1].model_version == A

        consumer.send_signal(signal.SIGSTOP)
        told(d, "add", third)
        poison(d, "lstm-c")
        consumer.send_signal(signal.SIGCONT)
        wait_until(d, lambda: "lstm-c is refused" in d.log_text())
        evening.send_and_wait()
        assert consumer.poll() is None, d.log_text()
        refused = version(d, "lstm-c")
        assert refused["status"] == "refused"
        assert refused["refused"].startswith("lstm-c/weights.npz: sha256 differs")
        assert "model lstm-c is refused: lstm-c/weights.npz: sha256" in d.log_text()
        again = models(d, "promote", "lstm-c")
        assert (again.exit_code, "lstm-c is refused" in again.stderr) == (1, True)

        consumer.terminate()
        assert consumer.wait(timeout=60) == 0, d.log_text()
        assert_each_published_bucket_is_a_line(d.logs)
        d.finish()
        status = json.loads(d.run("status", "--json"))
        assert [m["name"] for m in status["models"]] == ["lstm-a", "transformer-b"]
        assert status["model_version"] == A

        published = d.forecasts()
        assert_each_bucket_once_in_order(published, BUCKET_MS)
        records = journal(d)
        versions = [record.model_version for record in records]
        assert set(versions) == {A, B}
        changes = sum(a != b for a, b in itertools.pairwise(versions))
        assert changes == 2, versions
        for name, seed in ((A, 5), (B, 6)):
            artifact = versioned(name.partition("+")[0], seed)
            undisturbed = run_alone(live(open_artifact(artifact, d.settings)), records)
            assert_same(undisturbed, [f for f in published if f.model_version == name])


def journal(d: Deployment) -> list[BucketRecord]:
    return [BucketRecord.model_validate_json(r.value) for r in d.read_topic("topic_buckets")]


def poison(d: Deployment, version: str) -> None:
    with redis.Redis.from_url(d.redis_url) as client:
        key = f"{{genrecast:{d.settings.app}}}:model_weights"
        weights = client.hget(key, version)
        assert isinstance(weights, bytes)
        client.hset(key, version, weights[: len(weights) // 2])


def run_alone(
    forecaster: Forecaster, records: list[BucketRecord]
) -> dict[Number, tuple[np.ndarray, np.ndarray]]:
    """What the model forecasts that has seen every bucket, one by one, from the first on."""
    window = Window(2016, BUCKET_MS)
    state = forecaster.initial_state(0)
    found: dict[Number, tuple[np.ndarray, np.ndarray]] = {}
    for record in records:
        names = list(record.counts)
        cells = np.array(list(record.counts.values()), np.int64).reshape(-1, MEASURE_COUNT)
        firsts = np.array([record.genres_first_bucket[name] for name in names], np.int64)
        window.append(record.bucket_start, cells, firsts)
        state, forecasts = forecaster.advance(grow_state(forecaster, state, len(names)), window)
        found |= _numbers(record.bucket_start, names, forecasts)
    return found


def _numbers(
    bucket_ms: int, names: list[str], forecasts: Forecasts
) -> dict[Number, tuple[np.ndarray, np.ndarray]]:
    return {
        (bucket_ms, name): (forecasts.mean[g], forecasts.quantiles[g])
        for g, name in enumerate(names)
    }


def assert_same(
    expected: dict[Number, tuple[np.ndarray, np.ndarray]], published: list[GenreForecast]
) -> None:
    assert len(published) > 50
    for forecast in published:
        mean, quantiles = expected[forecast.bucket_start, forecast.genre]
        assert [step.mean for step in forecast.horizon] == pytest.approx(mean, rel=1e-5, abs=1e-4)
        for step, values in zip(forecast.horizon, quantiles, strict=True):
            told = list(step.quantiles.values())
            assert told == pytest.approx(values.tolist(), rel=1e-5, abs=1e-4)


@pytest.mark.services
@pytest.mark.timeout(600)
def test_retraining_on_the_windows_registers_a_candidate_that_status_shows(
    services: Endpoints, tmp_path: Path
) -> None:
    with deployment(
        services.kafka_bootstrap, services.redis_url, tmp_path / "logs",
        bucket_seconds=UNKNOWN_SECONDS, horizon=HORIZON,
    ) as d:  # fmt: skip
        d.make_topics()
        d.run(
            "simulate", "--events", 20_000, "--rate", 20_000, "--speed", 6_000, "--seed", 3,
            "--start", "2026-03-02T18:00",
        )  # fmt: skip
        d.finish()
        d.run("retrain", "--once", "--epochs", 1, timeout=500)
        found = listed(d)
        candidate = version(d, found["candidate"])
        assert candidate["source"] == "retrained on redis"
        assert candidate["metrics"]["wql"] > 0
        shown = json.loads(d.run("status", "--json"))["models"]
        assert [(m["role"], m["name"]) for m in shown] == [
            ("champion", "built-in"),
            ("candidate", found["candidate"]),
        ]
        assert found["candidate"] in d.run("status")


@pytest.mark.services
@pytest.mark.timeout(600)
def test_train_registers_what_it_made_and_retraining_stops_when_told(
    services: Endpoints, tmp_path: Path
) -> None:
    with deployment(
        services.kafka_bootstrap, services.redis_url, tmp_path / "logs",
        bucket_seconds=UNKNOWN_SECONDS, horizon=HORIZON,
    ) as d:  # fmt: skip
        d.make_topics()
        d.run(
            "simulate", "--events", 20_000, "--rate", 20_000, "--speed", 6_000, "--seed", 3,
            "--start", "2026-03-02T18:00",
        )  # fmt: skip
        d.finish()
        out = tmp_path / "trained"
        said = d.run("train", "--from-topic", "--out", out, "--epochs", 1, "--register")
        made = json.loads((out / "manifest.json").read_text())["model_version"]
        assert f"{made} is the candidate" in said
        assert listed(d)["candidate"] == made

        retraining = d.start("retrain", "--every", "1h", "--epochs", 10_000)
        wait_until(d, lambda: "training on" in d.log_text())
        retraining.send_signal(signal.SIGTERM)
        assert retraining.wait(timeout=120) == 0, d.log_text()
        assert [one["version"] for one in listed(d)["versions"]] == [made], "half a model is none"


def assert_each_published_bucket_is_a_line(logs: Path) -> None:
    """Not on a terminal, a consumer's log is JSON, a line of it per published bucket."""
    texts = [log.read_text() for log in logs.glob("*-consume.log")]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    published = [line for line in lines if line["message"].endswith("clicks")]
    assert published
    for line in published:
        assert f"bucket {line['bucket']} published: {line['genres']} genres" in line["message"]
        assert line["model"]
        assert {"clicks", "lag_seconds", "step_ms", "transaction_ms"} <= line.keys()
