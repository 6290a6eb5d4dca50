"""Alerts as messages: what a reader gets of a turn, and why, in words."""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import orjson

from consumer.alerts.fold import Turn
from consumer.alerts.rules import THRESHOLD_SLOTS, Rules
from contracts.alerts import SLOTS
from contracts.forecasts import SCHEMA_VERSION
from contracts.settings import Settings
from state.store import Sealed

ID_DIGITS: Final = 16
"""Hex digits of an alert's id: enough that no two of a deployment are alike."""


def alert_messages(
    turn: Turn, sealed: Sealed, rules: Rules, settings: Settings, emitted_at: int
) -> Iterator[tuple[str, bytes]]:
    """Yield (key, GenreAlert JSON) of what a bucket raised and cleared, slot by slot."""
    for s, (kind, side) in enumerate(SLOTS):
        for g in np.flatnonzero(turn.raised[s] | turn.cleared[s]).tolist():
            is_raised, genre = bool(turn.raised[s, g]), sealed.genres[g]
            since = int((turn.after if is_raised else turn.before).raised_ms[s, g])
            message = {
                "schema_version": SCHEMA_VERSION,
                "alert_id": alert_id(kind, side, genre, since),
                "kind": kind,
                "state": "raised" if is_raised else "cleared",
                "side": side,
                "genre": genre,
                "bucket_start": sealed.bucket_ms,
                "bucket_seconds": settings.bucket_seconds,
                "raised_at": since,
                **_figures(turn, s, g, settings),
                "reason": _reason(turn, s, g, rules),
                "emitted_at": emitted_at,
            }
            yield f"{kind}/{side}/{genre}", orjson.dumps(message)


def alert_id(kind: str, side: str, genre: str, raised_ms: int) -> str:
    """Return an alert's id, a pure function of what it is: told again it is the same."""
    named = orjson.dumps([kind, side, genre, raised_ms])
    return hashlib.sha256(named).hexdigest()[:ID_DIGITS]


def _figures(turn: Turn, s: int, g: int, settings: Settings) -> dict[str, Any]:
    """Return what an alert was judged by."""
    bucket_ms = turn.after.bucket_ms or 0
    if s in range(len(SLOTS))[THRESHOLD_SLOTS]:
        value = _number(turn.values[s, g])
        start = bucket_ms + int(turn.steps[s, g]) * settings.bucket_ms
        level = _number(turn.levels[s, g])
        return {"value": value, "value_start": None if value is None else start, "level": level}
    return {
        "value": int(turn.clicks[g]),
        "value_start": bucket_ms,
        "lower": None if turn.ends_all else _number(turn.before.lower[g]),
        "upper": None if turn.ends_all else _number(turn.before.upper[g]),
    }


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _reason(turn: Turn, s: int, g: int, rules: Rules) -> str:
    """Return why an alert was raised, or is over."""
    is_raised = bool(turn.raised[s, g])
    if turn.ends_all and not is_raised:
        return turn.ends_all
    if s in range(len(SLOTS))[THRESHOLD_SLOTS]:
        return _threshold_reason(turn, s, g, rules)
    side, debounce = SLOTS[s][1], rules.interval
    if not rules.watches_intervals:
        return "intervals are not watched any more"
    if not is_raised:
        return f"not {side} its interval for {_buckets(debounce.clear_buckets)}"
    among = (1 << debounce.raise_of) - 1
    count = int((turn.after.history[s, g] & np.uint32(among)).bit_count())
    lower, upper = _text(turn.before.lower[g]), _text(turn.before.upper[g])
    return (
        f"{_text(turn.clicks[g])} clicks where {lower} to {upper} were forecast; {side} that in "
        f"{count} of the last {_buckets(debounce.raise_of)}"
    )


def _threshold_reason(turn: Turn, s: int, g: int, rules: Rules) -> str:
    side, level, value = SLOTS[s][1], turn.levels[s, g], turn.values[s, g]
    if np.isnan(level):
        return f"no level {side} is set any more"
    if not turn.raised[s, g]:
        clear = _buckets(rules.threshold.clear_buckets)
        return f"no forecast {side} {_text(level)} clicks for {clear}"
    ahead = _buckets(int(turn.steps[s, g]))
    return (
        f"{_text(value)} clicks are forecast {ahead} ahead, {side} {_text(level)}; so for "
        f"{_buckets(rules.threshold.raise_buckets)}"
    )


def _buckets(count: int) -> str:
    return f"{count} bucket" if count == 1 else f"{count} buckets"


def _text(number: np.generic) -> str:
    return f"{number:,.1f}".removesuffix(".0")
