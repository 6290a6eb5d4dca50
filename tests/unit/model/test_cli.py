import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import model.backtest_run
from contracts.settings import Settings
from model.artifact import load_artifact
from model.backtest_task import Task
from model.baseline import Baseline
from model.candidates import Candidate, as_live
from model.cli import backtest, train
from model.forecast_file import ReadForecasts
from model.history import History
from model.live import LiveForecaster
from model.registry import SHIPPED_DIRECTORY
from model.splits import read_split

from .making import HOUR_MS, MONDAY_MS, history_of

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


@pytest.mark.parametrize(
    ("head", "architecture"), [("quantile", "lstm"), ("point", "lstm"), ("quantile", "transformer")]
)
def test_train_writes_a_model_that_backtest_serves(
    counts: Path, tmp_path: Path, head: str, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The shipped model has no such head: one that begins with nothing learns longer than it need.
    monkeypatch.setattr("model.fit.SCRATCH_EPOCHS", 1)
    out, scores = tmp_path / "model", tmp_path / "scores.json"
    trained = run(
        train, "--from-file", str(counts), "--bucket-seconds", "3600", "--epochs", "1",
        "--head", head, "--architecture", architecture, "--out", str(out),
    )  # fmt: skip
    assert trained.exit_code == 0, trained.output
    assert "WQL" in trained.output
    assert sorted(p.name for p in out.iterdir()) == [
        "forecasts.png", "loss.png", "manifest.json", "weights.npz",
    ]  # fmt: skip
    assert (out / "forecasts.png").read_bytes().startswith(PNG)
    manifest = load_artifact(out).manifest
    assert (manifest.bucket_seconds, manifest.head) == ((3600,), head)
    assert manifest.architecture == architecture
    assert manifest.model_version.startswith(f"{architecture}-")
    assert manifest.metrics.points > 0

    tested = run(
        backtest, "--data", str(counts), "--bucket", "1h", "--horizon", "12",
        "--model", str(out), "--out", str(scores),
    )  # fmt: skip
    assert tested.exit_code == 0, tested.output
    # As it is served: what calibrates it is part of the version.
    assert json.loads(scores.read_text())["model_version"].startswith(manifest.model_version)


def test_backtest_says_why_it_is_the_baseline(counts: Path) -> None:
    result = run(
        backtest, "--data", str(counts), "--bucket", "1d", "--horizon", "3", "--as-shipped",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "baseline: " in result.output


def test_too_short_a_past_is_not_fine_tuned_on(counts: Path) -> None:
    # Of 13 days six are too few to learn from, but not to forecast from.
    result = run(backtest, "--data", str(counts), "--bucket", "1d", "--horizon", "6")
    assert result.exit_code == 0, result.output
    assert "not fine-tuned: " in result.output
    assert "overall" in result.output


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


SHIPPED = str(SHIPPED_DIRECTORY)
WRONG = {
    "no source": (["--out", "x"], 2, "name one source"),
    "two sources": (["--out", "x", "--from-topic", "--from-redis"], 2, "name one source"),
    "no loader": (["--out", "x", "--from-redis"], 1, "works in `genrecast train` only"),
    "no file": (["--out", "x", "--from-file", "none.csv"], 1, "none.csv: cannot be read"),
    "other architecture": (
        ["--out", "x", "--from-topic", "--architecture", "transformer", "--from", SHIPPED],
        2,
        "is of another, lstm",
    ),
    "broken start": (
        ["--out", "x", "--from-topic", "--architecture", "lstm", "--from", "."],
        1,
        "manifest.json: cannot be read",
    ),
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


# Rows come in any order, with columns that nobody asked for; hours without clicks have no row.
ORIGIN_HOURS = (200, 211, 222)
SERIES = ('naïve, "$x_$"', "late", "never")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a sparse table of 240 hours and its splits."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(1)
    rows = []
    for hour in range(230):
        stamp = np.datetime64(MONDAY_MS + hour * HOUR_MS, "ms").item().isoformat(" ")
        for name, mean, begin in ((SERIES[0], 12.0, 0), (SERIES[1], 6.0, 215)):
            count = rng.poisson(mean) if hour >= begin else 0
            if count:
                rows.append({"note": "x", "count": count, "timestamp": stamp, "series": name})
    rng.shuffle(rows)
    data = folder / "sparse.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    origins = [str(np.datetime64(MONDAY_MS + h * HOUR_MS, "ms")) for h in ORIGIN_HOURS]
    entry = {"freq": "h", "m": 24, "H": 12, "T": 240, "series": SERIES, "origins": origins}
    splits = folder / "splits.json"
    splits.write_text(json.dumps({"sparse": entry, "other": entry | {"H": 1}}))
    return data, splits


@pytest.fixture
def baseline_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def candidate(_console: object, task: Task, _asked: object) -> Candidate:
        settings = task.settings
        return Candidate(Baseline(settings.horizon, settings.quantiles), "genrecast", "as it is")

    monkeypatch.setattr(model.backtest_run, "_candidate", candidate)


@pytest.mark.usefixtures("baseline_serves")
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_backtest_on_splits_writes_every_cell(
    table: tuple[Path, Path], tmp_path: Path, ending: str
) -> None:
    data, splits = table
    out = tmp_path / f"forecasts.{ending}"
    result = run(
        backtest, "--data", str(data), "--bucket", "1h", "--horizon", "12",
        "--origins", str(splits), "--out", str(out),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "1 series have no row, counted as 0: never" in result.output
    split = read_split(splits, data)
    read = ReadForecasts.of(out, split)
    assert read.mean.shape == (3, 3, 12)
    assert (np.diff(read.quantiles, axis=3) >= 0).all()
    assert (read.quantiles >= 0).all()
    # "late" begins in hour 215: before, its forecast is small, then it is of its size.
    late = read.mean[:, split.series.index("late")]
    assert (late[:2] < 0.1).all()
    assert (late[2] > 2).all()
    assert (read.mean[:, split.series.index("never")] < 0.1).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["forecasts.html", out.name, "forecasts.timing.csv"]
    )
    timing = (tmp_path / "forecasts.timing.csv").read_text().splitlines()[1].split(",")
    assert timing[:3] == ["sparse", "genrecast", "0.0"]
    assert float(timing[3]) > 0


@pytest.mark.usefixtures("baseline_serves")
def test_splits_say_bucket_horizon_and_data_set_that_nobody_named(
    table: tuple[Path, Path], tmp_path: Path
) -> None:
    data, splits = table
    out = tmp_path / "scores.json"
    result = run(
        backtest, "--data", str(data), "--origins", str(splits), "--dataset", "other",
        "--out", str(out),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    scores = json.loads(out.read_text())
    assert (scores["dataset"], scores["origins"]) == ("other", 3)
    assert scores["model"]["points"] == 3 * 3 * 1
    assert scores["series"]["never"]["wql"] is None


@pytest.mark.usefixtures("baseline_serves")
def test_ctrl_c_ends_with_one_line_and_leaves_no_file(
    table: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(model.backtest_run, "compare", interrupted)
    data, splits = table
    result = run(
        backtest, "--data", str(data), "--origins", str(splits), "--out", str(tmp_path / "f.csv"),
    )  # fmt: skip
    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"
    assert list(tmp_path.iterdir()) == []


def test_backtest_fine_tunes_on_what_came_up_to_the_first_origin(
    counts: Path, tmp_path: Path
) -> None:
    report, kept = tmp_path / "r.html", tmp_path / "kept"
    result = run(
        backtest, "--data", str(counts), "--bucket", "1h", "--horizon", "6", "--epochs", "1",
        "--origins", "5", "--report", str(report), "--save-model", str(kept),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "fine-tuning" in result.output
    manifest = load_artifact(kept).manifest
    assert manifest.model_version in result.output
    # Origins are the rows 258, 265, ... 293 of 300, six buckets before the end.
    assert manifest.data.buckets == 259
    assert manifest.data.last_start_ms == 258 * HOUR_MS
    assert "Loss of the fine-tuning" in report.read_text()


BACKTEST_WRONG = {
    "both models": (["--model", "x", "--as-shipped"], 2, "name one of them"),
    "ending": (["--out", "x.txt"], 2, "must end in .parquet, .csv or .json"),
    "folder": (["--out", "no/where.csv"], 1, "there is no directory no"),
    "no origins": (["--origins", "0"], 2, "between 1 and"),
    "no splits": (["--origins", "none.json"], 1, "none.json: cannot be read"),
}


@pytest.mark.parametrize("name", BACKTEST_WRONG)
def test_what_cannot_be_backtested_is_said_in_a_sentence(counts: Path, name: str) -> None:
    arguments, status, reason = BACKTEST_WRONG[name]
    result = run(backtest, "--data", str(counts), *arguments)
    assert (result.exit_code, reason in result.output) == (status, True), result.output
    assert "Traceback" not in result.output


def test_bucket_that_is_not_the_splits_is_refused(table: tuple[Path, Path]) -> None:
    data, splits = table
    result = run(backtest, "--data", str(data), "--bucket", "5m", "--origins", str(splits))
    assert result.exit_code == 1
    assert "its buckets have 3600 s, not 300 s" in result.output


def test_backtest_runs_the_model_as_it_is_served() -> None:
    inner = Baseline(6, (0.1, 0.5, 0.9))
    served = as_live(inner)
    assert isinstance(served, LiveForecaster)
    assert served.state_width > inner.state_width
    assert as_live(served) is served
