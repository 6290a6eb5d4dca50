"""kafka-python's own log: kept from people, but for why a connection did not come about."""

import logging
import re
from typing import Final

from contracts.refusals import KAFKA, refused_link

_REASON: Final = re.compile(r"Bootstrap connection to \S+ failed: (?P<reason>.*?)( \(backoff .*)?")

_HINTS: Final = {
    "socket disconnected": "as a broker does that refuses a login, or that wants TLS",
}
"""What people need to know beside a reason."""


_WORTH: Final = ("RequestTimedOut", "socket disconnected")
"""Reasons that tell least, ascending: the bootstrap's own timeout cuts the last attempt short, and
a broker that refuses a login says so at some attempts and only hangs up at others."""


def _worth(reason: str) -> int:
    """Return how much a reason tells: the best of several attempts is passed on."""
    if not reason:
        return -1
    if refused_link(reason, KAFKA):
        return len(_WORTH) + 1
    return next((rank for rank, part in enumerate(_WORTH) if part in reason), len(_WORTH))


class _BestReason(logging.Handler):
    """Keeps the reason that tells most, of those that the client logs.

    Its errors leave them out (3.0.12).
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.reason = ""

    def emit(self, record: logging.LogRecord) -> None:
        found = _REASON.fullmatch(record.getMessage())
        if found and _worth(found["reason"]) >= _worth(self.reason):
            self.reason = found["reason"]


_KEPT: Final = _BestReason()

_OF_LINKS: Final = frozenset(
    {"KafkaConnectionError", "SaslAuthenticationFailedError", "UnsupportedSaslMechanismError"}
)
"""Names of the client's errors that tell of the link itself, beside the bootstrap's."""


def quiet_kafka_log() -> None:
    """Let the client's log reach nobody but `explain`."""
    logger = logging.getLogger("kafka")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    if _KEPT not in logger.handlers:
        logger.addHandler(_KEPT)


def explain(error: BaseException) -> str:
    """Return an error of the client in words, with the reason of a connection that failed."""
    told = str(error).removeprefix(f"{type(error).__name__}: ")
    if "bootstrap" not in told or not _KEPT.reason:
        return f"{type(error).__name__}: {told}"
    reason, _KEPT.reason = _KEPT.reason, ""
    hints = [hint for part, hint in _HINTS.items() if part in reason]
    return " ".join([f"{told}: {reason}", *(f"({hint})" for hint in hints)])


def explain_link_refusal(error: BaseException) -> str | None:
    """Return in words why Kafka takes no link of ours, None where it may take one later."""
    if "bootstrap" in str(error):
        told = refused_link(_KEPT.reason, KAFKA)
        if told is not None:
            _KEPT.reason = ""
        return told
    name = type(error).__name__
    return refused_link(f"{name}: {error}", KAFKA) if name in _OF_LINKS else None
