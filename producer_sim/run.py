"""One run: wait until records are due, send them, fold what is acknowledged, report."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from contracts.clock import MS_PER_SECOND
from contracts.settings import Settings
from producer_sim.outgoing import Portion
from producer_sim.pacing import Pace, Waiter
from producer_sim.sender import ClickSender, SendError, StoppedError
from producer_sim.sources import Made
from producer_sim.truth import Rules, Truth

FLUSH_SECONDS: Final = 30.0
"""How long the end of a run waits for acknowledgements."""


@dataclass(frozen=True, slots=True)
class Ends:
    """When a run ends; None is never.

    Attributes:
        events: After so many records.
        deadline_ms: At this time by the wall clock.
    """

    events: int | None
    deadline_ms: int | None


@dataclass(slots=True)
class Tally:
    """How far a run has come; read by the progress display."""

    handed_over: int = 0
    event_ms: int = 0
    trouble: str | None = None


class Run:
    """Sends portions at their time.

    Args:
        sender: Connected.
        truth: Takes what the sender sees acknowledged.
        now_ms: The wall clock.
        stop: Ends the run early, in order.
    """

    def __init__(
        self,
        sender: ClickSender,
        truth: Truth,
        *,
        now_ms: Callable[[], int],
        stop: threading.Event,
    ) -> None:
        self.tally = Tally()
        self._sender = sender
        self._truth = truth
        self._now_ms = now_ms
        self._stop = stop

    def send_all(
        self,
        portions: Iterator[Portion],
        *,
        pace: Pace,
        deadline_ms: int | None,
        on_progress: Callable[[Tally], None],
    ) -> None:
        """Send until the portions end, the deadline comes or the run is stopped; then flush."""
        waiter = Waiter(self._now_ms, self._stop, self._sender.drain)
        try:
            for portion in portions:
                if not waiter.wait_until(pace.due_ms(portion.until_ms), deadline_ms):
                    break
                outgoing = portion.make(self._now_ms())
                self._sender.send(outgoing)
                self.tally.handed_over += len(outgoing)
                self.tally.event_ms = portion.until_ms
                on_progress(self.tally)
        except StoppedError:
            self._truth.doubt("stopped while Kafka did not take records")
        except SendError as error:
            self._give_up(str(error))
        try:
            self._sender.flush(FLUSH_SECONDS)
        except SendError as error:
            self._give_up(str(error))

    def _give_up(self, trouble: str) -> None:
        self.tally.trouble = trouble
        self._truth.doubt(f"some records may or may not be on the topic: {trouble}")


def rules_of(settings: Settings) -> Rules:
    """Return the settings that decide the truth."""
    return Rules(
        bucket_ms=settings.bucket_ms,
        max_out_of_orderness_ms=settings.max_out_of_orderness_ms,
        max_future_skew_ms=settings.max_future_skew_ms,
    )


def deadline(seconds: float | None, now_ms: int) -> int | None:
    """Return when a run of so many seconds ends, epoch ms."""
    return None if seconds is None else now_ms + round(seconds * MS_PER_SECOND)


def made_on_purpose(made: Made) -> dict[str, object]:
    """Return the faults made, as JSON values."""
    return {
        "late": made.late,
        "duplicates": made.duplicates,
        "new_genres": made.new_genres,
        "malformed": sum(made.malformed.values()),
        "malformed_by_kind": dict(sorted(made.malformed.items())),
    }
