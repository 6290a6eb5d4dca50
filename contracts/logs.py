"""The log of long-running commands, on stderr: lines for people, or one JSON object per line.

What a line tells beside its words is given as `extra=`; both formats have it. No secret gets out,
whoever says it: each text goes through a `Redactor`.
"""

import logging
import re
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

import orjson

from contracts.kafka_log import quiet_kafka_log
from contracts.redaction import Redactor
from contracts.settings import Settings

_COMMON: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest came as `extra=`."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that would let one message look like several lines."""

log = logging.getLogger(__name__)


class ConsoleFormatter(logging.Formatter):
    """A line for people, what it tells besides as `name=value` at its end."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._redact = redact

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Return the line without its traceback."""
        line = " ".join([super().formatMessage(record), *map("=".join, _told(record))])
        return _CONTROL.sub(lambda found: repr(found[0])[1:-1], line)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it the traceback if there is one."""
        return self._redact(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object, a traceback within it: time, level, logger, message, and what is told."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        at = datetime.fromtimestamp(record.created, UTC)
        told: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._text(record.getMessage()),
        }
        for name, value in _extra(record).items():
            told.setdefault(name, value if _is_number(value) else self._text(str(value)))
        if record.exc_info:
            told["exception"] = self._text(self.formatException(record.exc_info))
        if record.stack_info:
            told["stack"] = self._text(self.formatStack(record.stack_info))
        return orjson.dumps(told).decode()

    def _text(self, text: str) -> str:
        # JSON has no lone surrogates, names of files may.
        return self._redact(text).encode("utf-8", "backslashreplace").decode()


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _COMMON}


def _told(record: logging.LogRecord) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in _extra(record).items()]


def _is_number(value: object) -> bool:
    is_small = not isinstance(value, int) or abs(value) < 2**63
    return value is None or (isinstance(value, int | float) and is_small)


def set_up_logging(settings: Settings) -> None:
    """Log to stderr in the format and from the level on that the settings say.

    What nobody caught, and Python's warnings, are told in the same way; the Kafka client's own log
    is kept from people.
    """
    is_for_people = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    redact = Redactor.of(settings)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ConsoleFormatter(redact) if is_for_people else JsonFormatter(redact))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    logging.captureWarnings(capture=True)
    sys.excepthook = _tell_uncaught
    threading.excepthook = _tell_uncaught_in_thread
    quiet_kafka_log()


def _tell_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        log.critical("ended by an error: %s", error, exc_info=(kind, error, traceback))


def _tell_uncaught_in_thread(ended: threading.ExceptHookArgs) -> None:
    thread = ended.thread.name if ended.thread else "?"
    error = ended.exc_value or ended.exc_type()
    log.critical("thread %s ended by an error: %s", thread, error, exc_info=error)
