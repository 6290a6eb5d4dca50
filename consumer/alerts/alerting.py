"""The forecaster's alerts: resumed from the journal's last record, advanced with every bucket."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from consumer import metrics
from consumer.alerts.fold import Turn, advance
from consumer.alerts.rules import Levels, Rules
from consumer.alerts.watch import Watch
from consumer.alerts.wording import alert_messages
from consumer.errors import InvariantError
from contracts.alerts import SLOTS
from contracts.forecasts import BucketRecord
from contracts.settings import Settings
from state.store import Sealed

if TYPE_CHECKING:
    from model.forecaster import Forecasts


@dataclass(frozen=True, slots=True)
class Told:
    """What is published of a bucket's alerts.

    Attributes:
        messages: (key, GenreAlert JSON), of what was raised and cleared.
        state: What the journal's record keeps; None without alerts.
    """

    messages: tuple[tuple[str, bytes], ...] = ()
    state: dict[str, Any] | None = None


NOTHING = Told()


@dataclass(slots=True)
class Alerting:
    """Where alerts stand while this member is the forecaster. The closing thread uses it.

    Whatever it holds can be lost: the journal's last record has it, written in the transaction
    of the bucket that it followed from.

    Raises:
        InvariantError: The file of thresholds can't be read, or is wrong.
    """

    settings: Settings
    rules: Rules = field(init=False)
    _watch: Watch = field(default_factory=Watch)
    _levels: tuple[tuple[str, ...], dict[str, Levels]] | None = None
    _turn: Turn | None = None

    def __post_init__(self) -> None:
        try:
            self.rules = Rules.of(self.settings)
        except ValueError as error:
            # The command has read it before: it was changed since.
            raise InvariantError(f"GENRECAST_ALERT_THRESHOLDS: {error}") from error

    def resume(self, tail: BucketRecord | None) -> None:
        """Stand where the journal's last record says."""
        self._watch = Watch.read(tail)

    def see(self, sealed: Sealed, forecasts: "Forecasts", emitted_at: int) -> Told:
        """Take the bucket after the last one; return what is to be published with it."""
        if self.rules.is_empty and not self._watch.is_open.any():
            return NOTHING
        turn = advance(
            self._watch, sealed, forecasts, self.rules,
            self._levels_of(sealed.genres), self.settings.bucket_ms,
        )  # fmt: skip
        told = alert_messages(turn, sealed, self.rules, self.settings, emitted_at)
        messages, self._turn = tuple(told), turn
        self._watch = Watch() if self.rules.is_empty else turn.after
        if self.rules.is_empty:
            return Told(messages)
        return Told(messages, turn.after.written(np.flatnonzero(sealed.is_known)))

    def count(self) -> None:
        """Count what was published last."""
        turn, self._turn = self._turn, None
        if turn is not None:
            kinds = [kind for kind, _ in SLOTS]
            metrics.show_alerts(
                raised=zip(kinds, turn.raised.sum(axis=1).tolist(), strict=True),
                are_open=zip(kinds, self._watch.is_open.sum(axis=1).tolist(), strict=True),
            )

    def _levels_of(self, genres: tuple[str, ...]) -> dict[str, Levels]:
        """Return the thresholds of these genres, looked up anew when they change."""
        if self._levels is None or self._levels[0] != genres:
            self._levels = genres, self.rules.levels(genres)
        return self._levels[1]
