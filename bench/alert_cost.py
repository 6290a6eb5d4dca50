"""What alerts cost a bucket: CPU and bytes of the journal, without a broker and without a model.

Gamma-distributed counts of 10,000 genres against intervals of the same distribution: some hundred
alerts are raised or cleared per bucket. Prints a row per setting of `alerts`.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from consumer.alerts.alerting import Alerting
from consumer.messages import forecast_messages, journal_record
from contracts.measures import MEASURE_COUNT
from contracts.settings import Settings
from model.baseline import Baseline
from model.forecaster import Forecasts
from state.store import Sealed

BUCKETS: Final = 30
"""Buckets that are timed; the median is told."""

FIGURES: Final = ("alerts", "journal", "forecasts")
"""What is timed: the alerts, the journal's record, the messages of all forecasts beside them."""


def measure(settings: Settings, genre_count: int) -> str:
    """Return a row: median CPU ms of each part, bytes of the journal per genre, messages."""
    rng = np.random.default_rng(0)
    alerting, model = Alerting(settings), Baseline(settings.horizon, settings.quantiles)
    shape = (genre_count, settings.horizon, len(settings.quantiles))
    quantiles = np.quantile(rng.gamma(4, 5, 10_000), settings.quantiles).astype(np.float32)
    forecasts = Forecasts(
        np.full(shape[:2], 20, np.float32), np.broadcast_to(quantiles, shape).copy()
    )
    genres = tuple(f"genre-{number:05d}" for number in range(genre_count))
    times: dict[str, list[float]] = {name: [] for name in FIGURES}
    size, messages = 0, 0
    for bucket in range(BUCKETS):
        cells = np.zeros((genre_count, MEASURE_COUNT), np.int64)
        cells[:, 0] = rng.gamma(4, 5, genre_count)
        start_ms = bucket * settings.bucket_ms
        sealed = Sealed(start_ms, genres, np.zeros(genre_count, np.int64), cells, {}, {}, False)
        began = time.process_time()
        told = alerting.see(sealed, forecasts, 0)
        seen = time.process_time()
        record = journal_record(sealed, settings, "none", 0, told.state)
        recorded = time.process_time()
        for _ in forecast_messages(sealed, forecasts, settings, model, 0):
            pass
        written = time.process_time()
        for name, seconds in zip(
            FIGURES, (seen - began, recorded - seen, written - recorded), strict=True
        ):
            times[name].append(1000 * seconds)
        size, messages = len(record), messages + len(told.messages)
    cells_of_row = " | ".join(f"{median(times[name]):.1f}" for name in FIGURES)
    return f"{cells_of_row} | {size / genre_count:.0f} | {messages / BUCKETS:.0f}"


def main(genre_count: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        levels = Path(folder) / "levels.toml"
        levels.write_text('[[threshold]]\ngenre = "*"\nabove = 90\n')
        print("| alerts | alerts, ms | journal, ms | forecasts, ms | bytes per genre | messages |")
        print("|---|--:|--:|--:|--:|--:|")
        for chosen in ("off", "thresholds", "all"):
            settings = Settings(alerts=chosen, alert_thresholds=levels)
            print(f"| {chosen} | {measure(settings, genre_count)} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
