"""Sums over several steps, from the quantiles of each: paths whose steps hang together.

Quantiles do not add up: the sum of 90 % quantiles is passed far less than one time in ten. What the
sum does depends on how errors of neighbouring steps hang together, and that is learnt from past
forecasts: a Gaussian copula over the steps (Schefzik, Thorarinsdottir and Gneiting, 2013, discuss
such couplings), its correlations those of past errors, drawn towards a first-order autoregression
where there are few of them.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

PATHS: Final = 3_999
"""Paths drawn: the level of a quantile of their sums is right to half a percentage point. The n-th
of a step's scores is the quantile n / 4,000: those that are published are among them."""

SEED: Final = 20_260_105
"""The same paths for all: wider spans have larger sums, and an answer does not flicker."""

PRIOR_CORRELATION: Final = 0.5
"""Correlation of neighbouring steps before any error is known."""

PRIOR_HORIZONS: Final = 8.0
"""How many horizons' worth of errors that counts as; origins of one horizon overlap."""

MOST_SCORE: Final = 4.0
"""Furthest error, standard deviations: beyond it the published quantiles say nothing."""

JITTER: Final = 1e-9
"""Added to a correlation matrix's diagonal, so that rounding can't make it indefinite."""

_NORMAL: Final = NormalDist()
_GRID: Final = np.linspace(-MOST_SCORE, MOST_SCORE, 1_601)
_CHANCE: Final = np.array([_NORMAL.cdf(z) for z in _GRID.tolist()])
_EVEN: Final = np.array([_NORMAL.inv_cdf(n / (PATHS + 1)) for n in range(1, PATHS + 1)])


def normal_scores(levels: Sequence[str]) -> Float64:
    """Return `(Q,)` the normal quantile of each level."""
    return np.array([_NORMAL.inv_cdf(float(level)) for level in levels], np.float64)


def values_at(quantiles: Float64, levels: Float64, scores: Float64) -> Float64:
    """Return `(N,)` clicks at normal scores `(N,)` of one step's quantiles `(Q,)`.

    Linear in the score between the levels `(Q,)`, and on beyond them; never negative.
    """
    found = np.interp(scores, levels, quantiles)
    if len(levels) > 1:
        rise, run = np.diff(quantiles), np.diff(levels)
        below, above = np.minimum(scores - levels[0], 0), np.maximum(scores - levels[-1], 0)
        found += below * rise[0] / run[0] + above * rise[-1] / run[-1]
    return np.maximum(found, 0.0)


def scores_of(counts: Float64, quantiles: Float64, levels: Float64) -> Float64:
    """Return `(...)` which normal score each count was, of its own quantiles `(..., Q)`.

    A count stands for the middle of its chances: those of the half click to both sides.
    """
    below = np.where(counts > 0, _chances(counts - 0.5, quantiles, levels), 0.0)
    above = _chances(counts + 0.5, quantiles, levels)
    return np.interp((below + above) / 2, _CHANCE, _GRID)


def _chances(clicks: Float64, quantiles: Float64, levels: Float64) -> Float64:
    """Return `(...)` the chance of at most so many clicks."""
    last = len(levels) - 2
    # The segment that holds each: the lowest and highest go on for ever.
    place = np.clip((clicks[..., None] > quantiles).sum(axis=-1) - 1, 0, max(last, 0))
    if last < 0:
        return np.where(clicks >= quantiles[..., 0], 1.0, 0.0)
    left = np.take_along_axis(quantiles, place[..., None], -1)[..., 0]
    right = np.take_along_axis(quantiles, place[..., None] + 1, -1)[..., 0]
    width = np.maximum(right - left, 1e-9)
    run = levels[place + 1] - levels[place]
    score = levels[place] + (clicks - left) / width * run
    return np.asarray(np.interp(score, _GRID, _CHANCE), np.float64)


def correlations(scores: Float64) -> Float64:
    """Return `(H, H)` how errors of the steps hang together.

    Args:
        scores: `(N, H)` errors of past origins as normal scores, whole horizons only.
    """
    count, steps = scores.shape
    apart = np.abs(np.subtract.outer(np.arange(steps), np.arange(steps)))
    prior: Float64 = PRIOR_CORRELATION**apart
    if not count:
        return prior
    products = scores.T @ scores
    size = np.sqrt(np.maximum(np.diag(products), 1e-12))
    seen = products / np.outer(size, size)
    horizons = count / steps
    mixed = (horizons * seen + PRIOR_HORIZONS * prior) / (horizons + PRIOR_HORIZONS)
    np.fill_diagonal(mixed, 1.0)
    return np.asarray(mixed, np.float64)


def draw_scores(correlation: Float64) -> Float64:
    """Return `(PATHS, H)` normal scores that hang together so; each step's are evenly spread."""
    steps = len(correlation)
    # Step by step, so that a path's first steps do not depend on how many follow.
    noise = np.random.default_rng(SEED).standard_normal((steps, PATHS)).T
    factor = np.linalg.cholesky(correlation + JITTER * np.eye(steps))
    drawn = noise @ factor.T
    scores = np.empty_like(drawn)
    np.put_along_axis(scores, drawn.argsort(axis=0), _EVEN[:, None], axis=0)
    return scores


def sum_quantiles(
    quantiles: Float64, levels: Float64, shares: Float64, correlation: Float64
) -> Float64:
    """Return `(Q,)` quantiles of a weighted sum over the steps, at the same levels.

    Args:
        quantiles: `(H, Q)` of each step.
        levels: `(Q,)` the levels' normal scores, ascending.
        shares: `(H,)` how much of each step's bucket is in the sum, 0 to 1.
        correlation: `(H, H)` see `correlations`.
    """
    last = int(np.flatnonzero(shares)[-1]) + 1 if shares.any() else 0
    drawn = draw_scores(correlation[:last, :last])
    return quantiles_of_paths(quantiles, levels, shares, drawn)


def quantiles_of_paths(
    quantiles: Float64, levels: Float64, shares: Float64, scores: Float64
) -> Float64:
    """Return `(Q,)` quantiles of the sums along paths of normal scores `(PATHS, H)`."""
    total = np.zeros(PATHS)
    for step in np.flatnonzero(shares).tolist():
        total += shares[step] * values_at(quantiles[step], levels, scores[:, step])
    chances = [_NORMAL.cdf(level) for level in levels.tolist()]
    # By the same rule as the scores were spread: a single step gets its own quantiles back.
    return np.asarray(np.quantile(total, chances, method="weibull"), np.float64)
