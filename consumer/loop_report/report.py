"""The report put together from three topics: clicks, recommendations, forecasts."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from consumer.broker.topic_log import OnProgress, TopicLog
from consumer.errors import TopicMissingError
from consumer.loop_report.calibration import Calibration, Scores
from consumer.loop_report.clicks import NEVER_MS, ClickLog, Seen, users_in
from consumer.loop_report.lift import Comparison, compare
from consumer.records import Columns
from contracts.cards import Card, cards_of
from contracts.forecasts import GenreForecast
from contracts.holdout import Holdout
from contracts.recommendations import Recommendations
from contracts.settings import Settings

Progress = Callable[[str], OnProgress]
"""Names what is read next; what it returns is told how far that is."""


class NoLoopError(Exception):
    """There is nothing to report; the message says what is missing."""


class Rate(NamedTuple):
    """Cards shown and cards clicked."""

    impressions: int
    clicked: int

    @property
    def ratio(self) -> float:
        """Clicked over shown."""
        return self.clicked / self.impressions if self.impressions else math.nan


@dataclass(frozen=True, slots=True)
class LoopReport:
    """What the loop did.

    Attributes:
        since_ms: Where it begins: the first impression, unless another moment was asked for.
        until_ms: Where it ends: the last event, unless another moment was asked for.
        by_place: Cards by their place on the page; `by_reason`: by why they were there.
        unnamed: Cards shown of which no recommendation on the topic tells.
        comparison: Treated against held out.
        calibration: Forecasts against what came.
    """

    since_ms: int
    until_ms: int
    by_place: Mapping[int, Rate]
    by_reason: Mapping[str, Rate]
    unnamed: Rate
    comparison: Comparison
    calibration: Calibration

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values; what is not known is null."""
        scores = self.calibration.scores.items()
        made = {
            "since": self.since_ms,
            "until": self.until_ms,
            "by_place": {str(place): _rate(rate) for place, rate in self.by_place.items()},
            "by_reason": {why: _rate(rate) for why, rate in self.by_reason.items()},
            "unnamed": _rate(self.unnamed),
            "users": asdict(self.comparison),
            "calibration": [
                {"period": period, "kind": kind, **_figures(own)}
                for (period, kind), own in sorted(scores)
            ],
        }
        known: dict[str, Any] = _known(made)
        return known


def make_report(
    settings: Settings,
    holdout: Holdout,
    progress: Progress,
    *,
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> LoopReport:
    """Read the three topics and tell what the loop did.

    Args:
        settings: The deployment.
        holdout: Who was held out.
        progress: Told what is read and how far it is.
        since_ms: Begin there, epoch ms; at the first impression when None.
        until_ms: End there, epoch ms; after the last event when None.

    Raises:
        BrokerUnavailableError, BrokerRefusedError: A topic can't be read.
        NoLoopError: No impression is on the topic to begin at, or no event.
    """
    log = ClickLog()
    for values in _values(settings, settings.topic_clicks, progress):
        log.add(values, settings.max_event_bytes)
    if since_ms is None and not log.impressions:
        raise NoLoopError(
            f"no impression is on topic {settings.topic_clicks}: nothing was recommended, or "
            "nobody said what was shown (action impression, with its recommendation_id)"
        )
    if not log.users:
        raise NoLoopError(f"no event is on topic {settings.topic_clicks}")
    begins_ms = min(log.impressions.values()) if since_ms is None else since_ms
    ends_ms = int(log.event_ms.max()) + 1 if until_ms is None else until_ms
    cards = _cards(settings, progress)
    by_place, by_reason, unnamed = _rates(log, cards, begins_ms, ends_ms)
    users = users_in(log, begins_ms, ends_ms, holdout)
    calibration = Calibration(begins_ms, NEVER_MS if until_ms is None else until_ms)
    for values in _values(settings, settings.topic_forecasts, progress):
        for value in values:
            calibration.add(GenreForecast.model_validate_json(value or b""))
    return LoopReport(
        since_ms=begins_ms,
        until_ms=ends_ms,
        by_place=by_place,
        by_reason=by_reason,
        unnamed=unnamed,
        comparison=compare(users, holdout.ratio),
        calibration=calibration,
    )


def _values(settings: Settings, topic: str, progress: Progress) -> Iterator[Sequence[bytes | None]]:
    with TopicLog(settings, topic, by_batch=True) as log:
        for stretch in log.read(on_progress=progress(topic)):
            yield Columns.of(stretch.records).values


def _cards(settings: Settings, progress: Progress) -> dict[Seen, Card]:
    """Return every card that was recommended; none where nothing tells."""
    cards: dict[Seen, Card] = {}
    try:
        for values in _values(settings, settings.topic_recommendations, progress):
            for value in values:
                try:
                    page = Recommendations.model_validate_json(value or b"")
                except ValidationError:
                    continue  # of another version
                name = page.recommendation_id
                cards |= {Seen(name, card.show_id): card for card in cards_of(page)}
    except TopicMissingError:
        return {}
    return cards


def _rates(
    log: ClickLog, cards: Mapping[Seen, Card], since_ms: int, until_ms: int
) -> tuple[dict[int, Rate], dict[str, Rate], Rate]:
    """Return how often cards shown in the span were clicked: by place, by reason, of unknown ones.

    A card counts once, however often it is clicked or told again.
    """
    shown: Counter[int | str | None] = Counter()
    clicked: Counter[int | str | None] = Counter()
    places, reasons = set(), set()
    for seen, at_ms in log.impressions.items():
        if not since_ms <= at_ms < until_ms:
            continue
        card = cards.get(seen)
        names: tuple[int | str | None, ...] = (None,) if card is None else (card.place, card.why)
        if card is not None:
            places.add(card.place)
            reasons.add(card.why)
        shown.update(names)
        if seen in log.clicked:
            clicked.update(names)

    def rate(name: int | str | None) -> Rate:
        return Rate(shown[name], clicked[name])

    return (
        {place: rate(place) for place in sorted(places)},
        {why: rate(why) for why in sorted(reasons)},
        rate(None),
    )


def _rate(rate: Rate) -> dict[str, float]:
    return {"impressions": rate.impressions, "clicked": rate.clicked, "ctr": rate.ratio}


def _figures(scores: Scores) -> dict[str, float]:
    return {
        "points": scores.points,
        "coverage": scores.coverage,
        "below": scores.below / scores.points if scores.points else math.nan,
        "above": scores.above,
        "wql": scores.wql,
        "skill": scores.skill,
    }


def _known(made: Any) -> Any:  # noqa: ANN401 (any JSON value)
    if isinstance(made, dict):
        return {name: _known(value) for name, value in made.items()}
    if isinstance(made, list):
        return [_known(value) for value in made]
    return None if isinstance(made, float) and not math.isfinite(made) else made
