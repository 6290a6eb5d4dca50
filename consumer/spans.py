"""Spans for an OpenTelemetry collector, over HTTP; the only import of OpenTelemetry."""

import logging
import random
import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Final, Self

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from consumer.stages import Stages
from consumer.tracing import Attributes
from contracts.clock import wall_clock_ns
from contracts.options import ConfigurationError
from contracts.secret_files import secret_of
from contracts.settings import Settings, check_collector_url
from state.store import Batch

log = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 3.0
"""How long the last spans may take at the end, seconds; a collector that is away gets none."""

REPEAT_SECONDS: Final = 60.0
"""How often it is told that a collector is away, seconds."""

TRACES_PATH: Final = "v1/traces"
"""Where a collector takes spans, below the URL that names it."""


class Spans:
    """Makes spans and hands them to a thread that sends them; what can't be sent is dropped."""

    def __init__(
        self,
        processor: SpanProcessor,
        settings: Settings,
        chance: Callable[[], float] = random.random,
    ) -> None:
        ours = {
            "service.name": "genrecast",
            "service.namespace": settings.app,
            "service.version": version("genrecast"),
        }
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before ours.
        resource = Resource.create(ours).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("genrecast", version("genrecast"))
        self._batch_ratio = settings.traces_batch_ratio
        self._chance = chance

    @classmethod
    def to_collector(cls, settings: Settings) -> Self:
        """Send to the collector of `traces_url`, or of OpenTelemetry's own variables."""
        endpoint, url = None, secret_of(settings, "traces_url")
        if url is not None:
            try:
                endpoint = f"{check_collector_url(url).rstrip('/')}/{TRACES_PATH}"
            except ValueError as error:
                raise ConfigurationError(f"GENRECAST_TRACES_URL_FILE: {error}") from None
        exporter_log = logging.getLogger(OTLPSpanExporter.__module__)
        exporter_log.setLevel(logging.ERROR)  # its warnings tell of each attempt
        if not any(isinstance(told, _Seldom) for told in exporter_log.filters):
            exporter_log.addFilter(_Seldom())
        return cls(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)), settings)

    def add(
        self, name: str, stages: Stages, about: Attributes, error: BaseException | None = None
    ) -> None:
        """See `Traces.add`."""
        began_ns = stages.began_ns
        attributes = {f"genrecast.{key}": value for key, value in about.items()}
        root = self._tracer.start_span(name, attributes=attributes, start_time=began_ns)
        inside = set_span_in_context(root)
        for stage, (began, ended) in stages.done.items():
            child = self._tracer.start_span(
                stage, context=inside, start_time=began_ns + _whole_ns(began)
            )
            child.end(began_ns + _whole_ns(ended))
        if error is not None:
            # Its text may quote an address with a password in it; the log has it without.
            root.set_status(Status(StatusCode.ERROR, type(error).__name__))
        root.end(wall_clock_ns())

    def add_batch(self, batch: Batch, stages: Stages) -> None:
        """See `Traces.add_batch`; takes `traces_batch_ratio` of them."""
        if self._chance() < self._batch_ratio:
            self.add(
                "batch",
                stages,
                {
                    "partition": batch.partition,
                    "offset": batch.expected_offset,
                    "next_offset": batch.next_offset,
                    "records": batch.records,
                    "late": batch.late,
                    "dead_letters": batch.dead_letters,
                    "cells": len(batch.cells),
                },
            )

    def close(self) -> None:
        """See `Traces.close`."""
        # The SDK's own wait is half a minute where the collector does not answer.
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            log.warning("the last traces could not be sent: the collector does not answer")


class _Seldom(logging.Filter):
    """Lets one record a minute through."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at: float | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the last one was long enough ago."""
        if self._told_at is not None and record.created - self._told_at < REPEAT_SECONDS:
            return False
        self._told_at = record.created
        return True


def _whole_ns(seconds: float) -> int:
    return round(seconds * 1_000_000_000)
