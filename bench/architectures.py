"""Architectures: what a step costs with one model, over what it costs with another.

    python -m bench.architectures model/pretrained models/attentive --genres 20

CPU time of `advance` (features, arrays in and out included), the two in turns, so that whatever
else the machine does falls on both; the median of the rounds' ratios. Beside it the bytes of state
that a genre takes: the model's own, and with what is kept of it live.
"""

import statistics
import time
from pathlib import Path

import click

from bench.step import BUCKET_SECONDS, WINDOW_BUCKETS, filled_window
from contracts.settings import Settings
from model.artifact import load_artifact
from model.forecaster import Forecaster, grow_state
from model.registry import live, open_artifact
from model.window import Window


def seconds_of_steps(forecaster: Forecaster, window: Window, steps: int) -> float:
    """Return the CPU seconds of one step, averaged over some."""
    state = grow_state(forecaster, forecaster.initial_state(0), window.genre_count)
    began = time.process_time()
    for _ in range(steps):
        state, _ = forecaster.advance(state, window)
    return (time.process_time() - began) / steps


def ratio(first: Forecaster, second: Forecaster, genre_count: int, rounds: int) -> float:
    """Return the second's CPU time over the first's, median of rounds in turns."""
    window = filled_window(genre_count, WINDOW_BUCKETS)
    steps = max(2, 200 // genre_count)
    for forecaster in (first, second):
        seconds_of_steps(forecaster, window, 2)
    return statistics.median(
        seconds_of_steps(second, window, steps) / seconds_of_steps(first, window, steps)
        for _ in range(rounds)
    )


@click.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--genres", type=int, multiple=True, default=(1, 20, 200, 2000), show_default=True)
@click.option("--rounds", type=int, default=11, show_default=True)
def main(first: Path, second: Path, genres: tuple[int, ...], rounds: int) -> None:
    """Print state sizes of two models, and the second's CPU time per step over the first's."""
    settings = Settings(bucket_seconds=BUCKET_SECONDS, horizon=12)
    models = [open_artifact(load_artifact(directory), settings) for directory in (first, second)]
    for model in models:
        arrays = 4 * model.state_width, 4 * live(model).state_width
        print(f"{model.version}: {arrays[0]:,} bytes of state a genre, {arrays[1]:,} live")
    for size in genres:
        bare = ratio(models[0], models[1], size, rounds)
        served = ratio(live(models[0]), live(models[1]), size, rounds)
        print(f"{size:>6} genres: a step {bare:.2f} times as long, {served:.2f} live", flush=True)


if __name__ == "__main__":
    main()
