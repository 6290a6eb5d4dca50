"""Traces of buckets and batches: nothing at all, unless a collector is named.

Spans are made after the fact, from what `Stages` measured: no context is carried through the code,
and OpenTelemetry is imported only where it is wanted.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from pydantic import ValidationError

from consumer.stages import Stages
from contracts.options import ConfigurationError
from contracts.settings import OpenTelemetrySettings, Settings
from state.store import Batch

log = logging.getLogger(__name__)

Attributes = Mapping[str, str | int]
"""What a span says of its work, by name."""

MISSING: Final = "traces need OpenTelemetry: pip install 'genrecast[traces]'"
"""What is said where the extra is not installed."""


class Traces(Protocol):
    """Where spans go; safe to use from several threads."""

    def add(
        self, name: str, stages: Stages, about: Attributes, error: BaseException | None = None
    ) -> None:
        """Add a span from `stages.began_ns` to now, with a child per stage; never raises."""
        ...

    def add_batch(self, batch: Batch, stages: Stages) -> None:
        """Add an applied batch, one of many."""
        ...

    def close(self) -> None:
        """Send what is left, within seconds."""
        ...


class Untraced:
    """No traces."""

    def add(
        self, name: str, stages: Stages, about: Attributes, error: BaseException | None = None
    ) -> None:
        """Do nothing."""

    def add_batch(self, batch: Batch, stages: Stages) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


UNTRACED: Final = Untraced()
"""What is used where nobody asked for traces."""


@contextmanager
def traced(traces: Traces, name: str, stages: Stages, about: Attributes) -> Iterator[None]:
    """Trace some work, also when it fails."""
    try:
        yield
    finally:
        traces.add(name, stages, about, sys.exception())


def open_traces(settings: Settings) -> Traces:
    """Return where spans go: to the collector that our setting names, or OpenTelemetry's own.

    Raises:
        ConfigurationError: Our own setting asks for traces and the extra is not installed, or its
            file holds no URL.
    """
    try:
        given = OpenTelemetrySettings()
    except ValidationError:
        log.warning("OTEL_SDK_DISABLED is neither true nor false: no traces")
        return UNTRACED
    is_ours = bool(settings.traces_url or settings.traces_url_file)
    if given.sdk_disabled or not (is_ours or given.endpoint):
        return UNTRACED
    try:
        from consumer.spans import Spans
    except ImportError as error:
        if is_ours:
            raise ConfigurationError(f"GENRECAST_TRACES_URL: {MISSING}") from error
        log.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, but %s", MISSING)
        return UNTRACED
    return Spans.to_collector(settings)
