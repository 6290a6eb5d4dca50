import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from contracts.settings import Settings
from model.artifact import load_artifact
from model.cli import backtest, train
from model.history import History

from .making import history_of

PNG = b"\x89PNG"


def run(command: object, *arguments: str, obj: object = None) -> Result:
    return CliRunner().invoke(command, list(arguments), obj=obj)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred hours of two series, as a table."""
    path = tmp_path_factory.mktemp("counts") / "counts.csv"
    rng = np.random.default_rng(0)
    rows = [
        f"{name},{hour * 3_600_000},{rng.poisson(10 + 8 * np.sin(hour * np.pi / 12))}"
        for hour in range(300)
        for name in ("crime", "drama")
    ]
    path.write_text("series,timestamp,count\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("head", ["quantile", "point"])
def test_train_writes_a_model_that_backtest_serves(counts: Path, tmp_path: Path, head: str) -> None:
    out, scores = tmp_path / "model", tmp_path / "scores.json"
    trained = run(
        train, "--from-file", str(counts), "--bucket-seconds", "3600", "--epochs", "1",
        "--head", head, "--out", str(out),
    )  # fmt: skip
    assert trained.exit_code == 0, trained.output
    assert "WQL" in trained.output
    assert sorted(p.name for p in out.iterdir()) == [
        "forecasts.png", "loss.png", "manifest.json", "weights.npz",
    ]  # fmt: skip
    assert (out / "forecasts.png").read_bytes().startswith(PNG)
    manifest = load_artifact(out).manifest
    assert (manifest.bucket_seconds, manifest.head) == ((3600,), head)
    assert manifest.metrics.points > 0

    tested = run(
        backtest, "--data", str(counts), "--bucket", "1h", "--horizon", "12",
        "--model", str(out), "--out", str(scores),
    )  # fmt: skip
    assert tested.exit_code == 0, tested.output
    assert json.loads(scores.read_text())["model_version"] == manifest.model_version


def test_backtest_says_why_it_is_the_baseline(counts: Path) -> None:
    result = run(backtest, "--data", str(counts), "--bucket", "1d", "--horizon", "3")
    assert result.exit_code == 0, result.output
    assert "not 86400 s" in result.output


def test_train_takes_the_histories_that_others_load(tmp_path: Path) -> None:
    asked: list[int] = []

    def load(settings: Settings) -> History:
        asked.append(settings.bucket_seconds)
        return history_of(np.zeros((0, 0), np.int64))

    result = run(
        train, "--from-topic", "--bucket-seconds", "900", "--out", str(tmp_path),
        obj={"topic": load},
    )  # fmt: skip
    assert asked == [900]
    assert result.exit_code == 1
    assert "no closed buckets to train on" in result.output


WRONG = {
    "no source": (["--out", "x"], 2, "name one source"),
    "two sources": (["--out", "x", "--from-topic", "--from-redis"], 2, "name one source"),
    "no loader": (["--out", "x", "--from-redis"], 1, "works in `genrecast train` only"),
    "no file": (["--out", "x", "--from-file", "none.csv"], 1, "none.csv: cannot be read"),
    "wrong setting": (["--out", "x", "--from-redis", "--horizon", "0"], 2, "GENRECAST_HORIZON"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_trained_is_said_in_a_sentence(name: str) -> None:
    arguments, status, reason = WRONG[name]
    result = run(train, *arguments)
    assert (result.exit_code, reason in result.output) == (status, True), result.output
    assert "Traceback" not in result.output


def test_too_short_a_history_is_said_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text("series,timestamp,count\na,0,1\na,60000,1\n")
    result = run(train, "--from-file", str(path), "--out", str(tmp_path / "model"))
    assert result.exit_code == 1
    assert "2 buckets are too few for horizon 24" in result.output


@pytest.mark.parametrize("bucket", ["0", "1w", "-5", "x"])
def test_bucket_length_that_is_none_is_refused(counts: Path, bucket: str) -> None:
    result = run(backtest, "--data", str(counts), "--bucket", bucket)
    assert result.exit_code == 2
    assert "must be such as" in result.output


def test_bucket_that_does_not_divide_a_day_is_refused(counts: Path) -> None:
    result = run(backtest, "--data", str(counts), "--bucket", "7h")
    assert result.exit_code == 2
    assert "must divide a day" in result.output


def test_broken_model_is_said_in_a_sentence(counts: Path, tmp_path: Path) -> None:
    result = run(backtest, "--data", str(counts), "--bucket", "1h", "--model", str(tmp_path))
    assert result.exit_code == 1
    assert "manifest.json: cannot be read" in result.output


@pytest.mark.parametrize("command", [train, backtest])
def test_help_has_examples(command: object) -> None:
    lines = [line.strip() for line in run(command, "--help").output.splitlines()]
    first = lines.index("Examples:") + 1
    # One a line, as written: not filled into a paragraph.
    assert all(line.startswith("genrecast ") for line in lines[first : first + 2])
