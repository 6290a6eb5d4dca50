"""One incremental step against recomputing the window, as ratios.

    uv run python bench/step.py --genres 20 --window 288

Three ways to forecast when a bucket closes: advance the stored state by one step (what the
consumer does; features, arrays in and out included), run the whole window through a
`tf.function`, run it through `predict()`. All with the shipped model's weights.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from contracts.measures import MEASURE_COUNT
from contracts.settings import Settings
from model.forecaster import grow_state
from model.lstm import LstmForecaster
from model.registry import load_forecaster
from model.window import Window

BUCKET_SECONDS = 300


def filled_window(genre_count: int, bucket_count: int) -> Window:
    rng = np.random.default_rng(0)
    window = Window(bucket_count, BUCKET_SECONDS * 1000)
    first = np.zeros(genre_count, np.int64)
    for row in range(bucket_count):
        cells = np.zeros((genre_count, MEASURE_COUNT), np.int64)
        cells[:, 0] = rng.poisson(20, genre_count)
        window.append(row * BUCKET_SECONDS * 1000, cells, first)
    return window


def median_ms(call: Callable[[], object], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def predictor(forecaster: LstmForecaster) -> Any:  # noqa: ANN401
    """The same LSTM as a Keras model, as one would serve it by `predict()`; without its head."""
    import keras

    network = forecaster.network
    inputs = keras.Input((None, network.shape.feature_count))
    hidden, *_ = network.rnn(inputs)
    return keras.Model(inputs, hidden[:, -1])


def compare(forecaster: LstmForecaster, genre_count: int, bucket_count: int, repeats: int) -> None:
    window = filled_window(genre_count, bucket_count)
    state = grow_state(forecaster, forecaster.initial_state(0), genre_count)
    width = forecaster.network.shape.feature_count
    features = np.random.default_rng(1).normal(size=(genre_count, bucket_count, width))
    features = features.astype(np.float32)
    keras_model = predictor(forecaster)
    ways = {
        "step": lambda: forecaster.advance(state, window),
        "window": lambda: forecaster.warm(window),
        "predict": lambda: keras_model.predict(features, verbose=0),
    }
    times = {name: median_ms(call, repeats) for name, call in ways.items()}
    print(
        f"{genre_count:>7} {bucket_count:>7} {times['step']:>9.2f} {times['window']:>11.2f}"
        f" {times['predict']:>10.2f} {times['window'] / times['step']:>13.1f}"
        f" {times['predict'] / times['step']:>14.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--genres", type=int, nargs="+", default=[1, 20, 200], metavar="N")
    parser.add_argument("--window", type=int, nargs="+", default=[288], metavar="BUCKETS")
    parser.add_argument("--repeats", type=int, default=15, metavar="N")
    options = parser.parse_args()
    settings = Settings(bucket_seconds=BUCKET_SECONDS, horizon=12)
    forecaster, reason = load_forecaster(settings)
    if not isinstance(forecaster, LstmForecaster):
        raise SystemExit(f"the shipped model does not serve: {reason}")
    print("median milliseconds per closed bucket, and how many steps the others cost")
    print(" genres  window   step ms   window ms predict ms   window/step   predict/step")
    for bucket_count in options.window:
        for genre_count in options.genres:
            compare(forecaster, genre_count, bucket_count, options.repeats)


if __name__ == "__main__":
    main()
