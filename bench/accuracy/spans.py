"""Are intervals of sums over several steps calibrated? The service's way beside simpler ones.

The shipped model (`--baseline`: the baseline, calibrated as live) runs bucket by bucket over
recorded and simulated counts. At every few origins the next 1, 3, 6 and 12 buckets are summed as
`/v1/inventory` does, by what was known then.
Prints the shares of sums inside their 80 % and 50 % intervals, and the weighted quantile loss of
the sums; and how many alerts of intervals the same forecasts raise, beside what chance alone would.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.accuracy.tables import FOLDER
from consumer.alerts.false_alarms import raises_per_bucket
from consumer.alerts.rules import Debounce
from contracts.settings import Settings
from feed.serve.inventory import LEARNT_FROM
from feed.serve.spans import (
    correlations,
    draw_scores,
    normal_scores,
    quantiles_of_paths,
    scores_of,
)
from model.backtest import BacktestPlan, roll
from model.baseline import Baseline
from model.forecaster import Forecaster
from model.history import History
from model.loading import load_history
from model.registry import live, load_live_forecaster
from model.synthetic import simulate_history

Float64 = NDArray[np.float64]

HORIZON: Final = 12
SPANS: Final = (1, 3, 6, 12)
DECIMALS: Final = 4
"""To which the service rounds: a count on a bound is inside."""

WARM: Final = 500
"""Buckets before the first origin."""

ORIGINS: Final = 500
"""Origins after those."""

STRIDE: Final = 11
"""Buckets from one scored origin to the next; of a single series all are scored."""


def independent(scores: Float64) -> Float64:
    """As if no step's error said anything of another's."""
    return np.eye(scores.shape[1])


def autoregressive(scores: Float64) -> Float64:
    """By the correlation of neighbouring steps alone, powers of it for those further apart."""
    near, far = scores[:, :-1], scores[:, 1:]
    size = np.sqrt((near**2).sum() * (far**2).sum())
    rho = float(np.clip((near * far).sum() / size, -0.99, 0.99)) if size else 0.0
    steps = np.arange(scores.shape[1])
    return np.asarray(rho ** np.abs(np.subtract.outer(steps, steps)), np.float64)


WAYS: Final[dict[str, Callable[[Float64], Float64]]] = {
    "independent": independent,
    "AR(1)": autoregressive,
    "as served": correlations,
}
"""Correlations of the steps, from errors of past origins."""

ADDED: Final = "quantiles added"
"""As if all steps erred alike."""


def sums_by_way(
    quantiles: Float64, levels: Float64, scores: Float64
) -> Iterator[tuple[str, int, Float64]]:
    """Yield way, span, and the quantiles of the sum over it, from quantiles `(H, Q)` of steps."""
    for span in SPANS:
        yield ADDED, span, quantiles[:span].sum(axis=0)
    for way, correlation_by in WAYS.items():
        drawn = draw_scores(correlation_by(scores))
        for span in SPANS:
            shares = (np.arange(len(quantiles)) < span).astype(np.float64)
            yield way, span, quantiles_of_paths(quantiles, levels, shares, drawn)


@dataclass(slots=True)
class Tally:
    """Sums over a span, judged.

    Attributes:
        inside: How many were between the outermost quantiles.
        inside_inner: How many between the next ones.
        count: How many there were.
        loss: Sum of twice the pinball loss, mean over the levels.
        clicks: Sum of what came.
    """

    inside: int = 0
    inside_inner: int = 0
    count: int = 0
    loss: float = 0.0
    clicks: float = 0.0

    def add(self, came: float, quantiles: Float64, levels: Float64) -> None:
        """Judge one sum."""
        self.inside += bool(quantiles[0] <= came <= quantiles[-1])
        self.inside_inner += bool(quantiles[1] <= came <= quantiles[-2])
        self.count += 1
        error = came - quantiles
        self.loss += float(2 * np.maximum(levels * error, (levels - 1) * error).mean())
        self.clicks += came

    @property
    def cell(self) -> str:
        """What the table says."""
        inner, outer = self.inside_inner / self.count, self.inside / self.count
        return f"{outer:.0%}, {inner:.0%}, {self.loss / self.clicks:.4f}"


def last_rows(history: History, count: int) -> History:
    """Return the latest buckets of a history."""
    first = max(0, len(history.starts_ms) - count)
    return replace(
        history,
        starts_ms=history.starts_ms[first:],
        cells=history.cells[first:],
        first_row=np.maximum(history.first_row - first, 0),
    )


RECORDED: Final = {"nab_tweets_5min": 300, "movietweetings_hourly": 3600, "nab_taxi_30min": 1800}
"""Data sets and their bucket lengths, seconds."""

SIMULATED: Final = (60, 900)
"""Bucket lengths of simulated genres, seconds."""


def histories(kind: str) -> Iterator[tuple[str, History]]:
    """Yield what is forecast, by name: what is recorded, or what is simulated."""
    rows = WARM + ORIGINS + HORIZON
    if kind == "recorded":
        for name, seconds in RECORDED.items():
            yield name, last_rows(load_history(FOLDER / "data" / f"{name}.parquet", seconds), rows)
        return
    for seconds in SIMULATED:
        made = simulate_history(4_711, bucket_seconds=seconds, bucket_count=rows, genre_count=16)
        yield f"simulated, {seconds} s", made


@dataclass(frozen=True, slots=True)
class Forecast:
    """What was forecast at N origins for G genres, and what came.

    Attributes:
        rows: `(N,)` the origins' rows in the history.
        quantiles: `(N, G, H, Q)` clicks.
        came: `(N, G, H)` clicks.
    """

    rows: NDArray[np.int64]
    quantiles: Float64
    came: Float64

    @classmethod
    def of(cls, history: History, forecaster: Forecaster) -> "Forecast":
        """Run a model, bucket by bucket."""
        found = list(roll(history, forecaster, BacktestPlan(first_row=WARM // 2)))
        rows = np.array([o.row for o in found], np.int64)
        ahead = rows[:, None] + np.arange(1, HORIZON + 1)
        return cls(
            rows,
            np.stack([o.forecasts.quantiles for o in found]).astype(np.float64),
            history.clicks[ahead].transpose(0, 2, 1).astype(np.float64),
        )


def judge(history: History, said: Forecast, settings: Settings) -> dict[tuple[str, int], Tally]:
    """Return the tallies of every way and span."""
    levels, chances = normal_scores(settings.quantile_names), np.array(settings.quantiles)
    scores = scores_of(said.came, said.quantiles, levels)
    tallies = {(way, span): Tally() for way in (ADDED, *WAYS) for span in SPANS}
    stride = STRIDE if len(history.names) > 1 else 1
    for place in range(WARM - WARM // 2, len(said.rows), stride):
        known = slice(max(0, place - HORIZON - LEARNT_FROM), place - HORIZON)
        has_begun = history.first_row + WARM // 2 <= said.rows[place]
        for genre in np.flatnonzero(has_begun).tolist():
            sums = sums_by_way(said.quantiles[place, genre], levels, scores[known, genre])
            for way, span, of in sums:
                came = float(said.came[place, genre, :span].sum())
                tallies[way, span].add(came, of.round(DECIMALS), chances)
    return tallies


def alerts_of(history: History, said: Forecast, settings: Settings) -> str:
    """Return a row: buckets beyond each end one step ahead, alerts raised, and by chance alone."""
    debounce = Debounce(
        settings.alert_raise_buckets, settings.alert_raise_of, settings.alert_clear_buckets
    )
    first, counts = said.quantiles[:, :, 0], said.came[:, :, 0]
    has_begun = history.first_row[None, :] + WARM // 2 <= said.rows[:, None]
    beyond = [(counts > first[..., -1]) & has_begun, (counts < first[..., 0]) & has_begun]
    raised = sum(count_raised(side.T.tolist(), debounce) for side in beyond)
    total = int(has_begun.sum())
    chance = 2 * raises_per_bucket(debounce, settings.quantiles[0])
    shares = " | ".join(f"{side.sum() / total:.1%}" for side in beyond)
    return f"{shares} | {1000 * raised / total:.3f} | {1000 * chance:.3f} | {total}"


def count_raised(genres: list[list[bool]], debounce: Debounce) -> int:
    """Return how many alerts these buckets raise."""
    raised = 0
    for bits in genres:
        history, is_open = 0, False
        for bit in bits:
            history = (history << 1 | bit) & 0xFFFF
            among = history & ((1 << debounce.raise_of) - 1)
            if not is_open and bit and among.bit_count() >= debounce.raise_buckets:
                raised, is_open = raised + 1, True
            elif is_open and not history & ((1 << debounce.clear_buckets) - 1):
                is_open = False
    return raised


def main(kinds: list[str], *, is_baseline: bool) -> None:
    """Judge all, and print two tables."""
    spans = " | ".join(f"{span} bucket{'s' * (span > 1)}" for span in SPANS)
    print(f"| counts | sums by | {spans} | sums |\n|---|---|{'--:|' * (len(SPANS) + 1)}")
    alerts = []
    for name, history in (found for kind in kinds for found in histories(kind)):
        settings = Settings(bucket_seconds=history.bucket_seconds, horizon=HORIZON)
        baseline = live(Baseline(HORIZON, settings.quantiles))
        forecaster = baseline if is_baseline else load_live_forecaster(settings)[0]
        said = Forecast.of(history, forecaster)
        tallies = judge(history, said, settings)
        for way in (ADDED, *WAYS):
            cells = [tallies[way, span].cell for span in SPANS]
            print(f"| {name} | {way} | {' | '.join(cells)} | {tallies[way, HORIZON].count} |")
        alerts.append(f"| {name} | {alerts_of(history, said, settings)} |")
        sys.stdout.flush()
    print("\n| counts | above | below | raised per 1,000 buckets | by chance | buckets |")
    print("\n".join(["|---|--:|--:|--:|--:|--:|", *alerts]))


if __name__ == "__main__":
    chosen = [word for word in sys.argv[1:] if word != "--baseline"]
    main(chosen or ["recorded", "simulated"], is_baseline="--baseline" in sys.argv)
