"""Step: one incremental LSTM step against recomputing the window.

    python -m bench.step --genres 20 --window 288
    python -m bench.step --live --keep --genres 1000 --genres 10000 --genres 100000

Three ways to forecast when a bucket closes: advance the stored state by one step (what the
consumer does; features, arrays in and out included), run the whole window through a
`tf.function`, run it through `predict()`. All with the shipped model's weights.
"""

import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from bench.lab import Lab
from bench.machine import describe_machine
from bench.page import FOLDER
from bench.results import Cell, Part, Plot, Ratio, Table
from contracts.collector import settle_collector
from contracts.measures import MEASURE_COUNT
from contracts.settings import Settings
from model.forecaster import grow_state
from model.lstm_core import LstmCore
from model.network_forecaster import NetworkForecaster
from model.registry import load_forecaster, load_live_forecaster
from model.window import Window

HOW: Final = (
    "What a bucket's close costs in the model, wall milliseconds, median, the three ways in turns: "
    "*step* advances the stored state by one step, features and copies included, as the consumer "
    "does; *window* runs 288 buckets through a `tf.function`, features included, the head left "
    "out; *predict* runs them through Keras `predict()`, without features and head. All with the "
    "shipped model's weights."
)

BUCKET_SECONDS: Final = 300
WINDOW_BUCKETS: Final = 288
"""A day of five-minute buckets."""

WANTED: Final = {20: 40.0, 2_000: 300.0}
"""Genres, and how many times cheaper than the window a step must be."""

LIVE_RESULTS: Final = FOLDER / "step_live.json"
"""Figures of the last `--live --keep`."""

LIVE_BUCKETS: Final = 16
"""Of the window of `--live`: a step's work does not depend on it, its memory does."""

WAYS: Final = ("step", "window", "predict")


def filled_window(genre_count: int, bucket_count: int) -> Window:
    """Return a window of Poisson counts."""
    rng = np.random.default_rng(0)
    window = Window(bucket_count, BUCKET_SECONDS * 1000)
    first = np.zeros(genre_count, np.int64)
    for row in range(bucket_count):
        cells = np.zeros((genre_count, MEASURE_COUNT), np.int64)
        cells[:, 0] = rng.poisson(20, genre_count)
        window.append(row * BUCKET_SECONDS * 1000, cells, first)
    return window


def predictor(forecaster: NetworkForecaster) -> Any:  # noqa: ANN401
    """The same LSTM as a Keras model, as one would serve it by `predict()`; without its head."""
    import keras

    network = forecaster.network
    if not isinstance(network.core, LstmCore):
        raise SystemExit(f"{forecaster.version} is no LSTM")
    inputs = keras.Input((None, network.shape.feature_count))
    hidden, *_ = network.core.rnn(inputs)
    return keras.Model(inputs, hidden[:, -1])


def milliseconds(call: Callable[[], object], calls: int = 1) -> float:
    """Return the wall milliseconds of one call, averaged over a few."""
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) * 1000 / calls


def compare(
    forecaster: NetworkForecaster, genre_count: int, bucket_count: int, repeats: int
) -> dict[str, float]:
    """Return median milliseconds of each way."""
    window = filled_window(genre_count, bucket_count)
    state = grow_state(forecaster, forecaster.initial_state(0), genre_count)
    width = forecaster.network.shape.feature_count
    features = np.random.default_rng(1).normal(size=(genre_count, bucket_count, width))
    features = features.astype(np.float32)
    keras_model: Any = predictor(forecaster)
    ways: dict[str, Callable[[], object]] = {
        "step": lambda: forecaster.advance(state, window),
        "window": lambda: forecaster.warm(window),
        "predict": lambda: keras_model.predict(features, verbose=0),
    }
    for call in ways.values():
        call()
    rounds = [
        {name: milliseconds(call, 10 if name == "step" else 1) for name, call in ways.items()}
        for _ in range(repeats)
    ]
    return {name: statistics.median(one[name] for one in rounds) for name in ways}


def live_step(genre_count: int, repeats: int) -> dict[str, float]:
    """Return wall and CPU milliseconds of one step as it runs live: calibrated, scored."""
    settings = Settings(bucket_seconds=BUCKET_SECONDS, horizon=12)
    forecaster, _ = load_live_forecaster(settings)
    window = filled_window(genre_count, LIVE_BUCKETS)
    state = grow_state(forecaster, forecaster.initial_state(0), genre_count)
    state, _ = forecaster.advance(state, window)
    taken = []
    for _ in range(repeats):
        cpu = time.process_time()
        wall = milliseconds(lambda: forecaster.advance(state, window))
        taken.append((wall, 1000 * (time.process_time() - cpu)))
    walls, cpus = zip(*taken, strict=True)
    state_mb = state.nbytes / 1e6
    return {"wall": statistics.median(walls), "cpu": statistics.median(cpus), "state_mb": state_mb}


def measure(lab: Lab) -> Part:
    """Measure in a process of its own: TensorFlow's memory is not ours."""
    sizes = lab.pick((1, 20, 200, 2_000), (20,))
    lab.expect("step", 1)
    lab.step(f"{', '.join(map(str, sizes))} genres")
    options = [option for size in sizes for option in ("--genres", size)]
    found = lab.run_module("bench.step", *options, "--repeats", lab.pick(7, 7), "--out")
    times = {int(genres): each for genres, each in found.items()}
    ratios = []
    for genres, each in times.items():
        for way, says in (("window", "recomputing the window"), ("predict", "`predict()` on it")):
            wanted = WANTED.get(genres) if way == "window" else None
            text = f"{genres:,} genres: {says}, over one step"
            key, value = f"step.{way}_{genres}", each[way] / each["step"]
            ratios.append(Ratio(key, text, value, "higher", wanted))
    rows: list[tuple[Cell, ...]] = [
        (f"{genres:,} genres", *(each[way] for way in WAYS)) for genres, each in times.items()
    ]
    table = Table(
        f"Milliseconds per closed bucket, window of {WINDOW_BUCKETS}", ("", *WAYS), tuple(rows)
    )
    series = {way: tuple((float(g), each[way]) for g, each in times.items()) for way in WAYS}
    title = "Step: a bucket's forecast from the stored state, or from the whole window"
    plot = Plot("lines", title, "genres", "milliseconds", series, log="xy")
    return Part("step", "Step", HOW, tuple(ratios), (table,), (plot,))


@click.command()
@click.option("--genres", type=int, multiple=True, default=(1, 20, 200), show_default=True)
@click.option("--window", type=int, default=WINDOW_BUCKETS, show_default=True, help="Buckets.")
@click.option("--repeats", type=int, default=7, show_default=True)
@click.option("--live", is_flag=True, help="Only the step, as consumers run it, many genres too.")
@click.option("--keep", is_flag=True, help="With --live: store the figures for the sizing page.")
@click.option("--out", type=click.Path(path_type=Path), help="Write milliseconds as JSON.")
def main(
    *,
    genres: tuple[int, ...],
    window: int,
    repeats: int,
    live: bool,
    keep: bool,
    out: Path | None,
) -> None:
    """Print the milliseconds of one step, of the window and of predict()."""
    if live:
        measured = {size: live_step(size, repeats) for size in genres}
        for size, each in measured.items():
            print(f"{size:>7} genres", *(f"{name} {n:,.1f}" for name, n in each.items()), sep="   ")
        if keep:
            taken_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
            kept = {"taken_at": taken_at, "machine": describe_machine(), "genres": measured}
            LIVE_RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        return
    settings = Settings(bucket_seconds=BUCKET_SECONDS, horizon=12)
    forecaster, reason = load_forecaster(settings)
    if not isinstance(forecaster, NetworkForecaster):
        raise SystemExit(f"the shipped model does not serve: {reason}")
    settle_collector()  # as a consumer does once its model is loaded
    found = {size: compare(forecaster, size, window, repeats) for size in genres}
    for size, each in found.items():
        print(f"{size:>6} genres", *(f"{way} {each[way]:.2f} ms" for way in WAYS), sep="   ")
    if out is not None:
        out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
