"""Trains the model that comes with the project.

    python -m bench.accuracy.pretrain --out model/pretrained

On simulated traffic of seven kinds, and on the part of each data set here that lies before its
first origin; scored on the rest of those. Takes some ten minutes on two cores. To compare
architectures on less:

    python -m bench.accuracy.pretrain --recorded-only --epochs 40 --architecture lstm --out DIR
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.accuracy.tables import FOLDER
from model.artifact import Artifact
from model.backtest import BacktestResult, backtest
from model.command_parts import progress_bar
from model.fit import FitPlan, tune, with_scores
from model.history import History
from model.loading import load_history
from model.network_forecaster import NetworkForecaster
from model.plans import TrainingPlan
from model.shape import default_sizes
from model.splits import Split, fit_to_split, read_split, row_of
from model.synthetic import simulate_history
from model.train_cli import LEAST_HORIZON, SIMULATED_SIZES

WINDOW_BUCKETS: Final = 2016
"""As live by default."""

LEVELS: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantile levels of the shipped model."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A data set of real counts and its split."""

    history: History
    split: Split

    @classmethod
    def read(cls, path: Path) -> "Recorded":
        """Read one of the data sets here."""
        split = read_split(FOLDER / "splits.json", path)
        return cls(fit_to_split(load_history(path, split.bucket_seconds or 3600), split), split)

    def training_part(self) -> History:
        """Return the buckets up to and including the first origin."""
        return self.history.rows(0, row_of(self.history, self.split.train_end_ms) + 1)

    def result(self, artifact: Artifact) -> BacktestResult:
        """Return the scores of a model on the origins."""
        forecaster = NetworkForecaster(artifact, self.split.horizon, LEVELS)
        return backtest(self.history, forecaster, self.split.plan(self.history, WINDOW_BUCKETS))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--epochs", type=int, default=140)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--architecture", choices=["lstm", "transformer"], default="lstm")
    parser.add_argument("--recorded-only", action="store_true", help="no simulated traffic")
    options = parser.parse_args()
    simulated = [
        simulate_history(0, bucket_seconds=seconds, bucket_count=buckets, genre_count=series)
        for seconds, buckets, series in (() if options.recorded_only else SIMULATED_SIZES)
    ]
    recorded = [Recorded.read(path) for path in sorted((FOLDER / "data").glob("*.parquet"))]
    plan = FitPlan(
        training=TrainingPlan(levels=LEVELS, epochs=options.epochs, seed=options.seed),
        horizon=LEAST_HORIZON,
        window_buckets=WINDOW_BUCKETS,
        source=("" if options.recorded_only else "simulated, and ")
        + "the training part of bench/accuracy/data",
        core=default_sizes(options.architecture),
    )
    begun = time.process_time()
    with progress_bar(Console()) as bar:
        task = bar.add_task("training", total=options.epochs, note="")
        tuned = tune(
            [*simulated, *(each.training_part() for each in recorded)],
            plan,
            options.out,
            lambda epoch, loss: bar.update(task, completed=epoch, note=f"loss {loss:.4f}"),
        )
    print(
        f"trained in {time.process_time() - begun:.0f} s of CPU, last loss {tuned.losses[-1]:.4f}"
    )
    results = [each.result(tuned.artifact) for each in recorded]
    for each, result in zip(recorded, results, strict=True):
        found = result.model
        print(
            f"{each.split.name}: WQL {found.wql:.4f}, MASE {found.mase:.4f}, "
            f"coverage {found.coverage:.3f}"
        )
    with_scores(tuned, results, options.out)


if __name__ == "__main__":
    main()
