"""A trace per bucket with its stages, one per sampled batch; nothing where nobody asked."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from consumer.closing import Closer
from consumer.errors import FencedError
from consumer.lineup import Lineup
from consumer.spans import Spans
from consumer.stages import Stages
from consumer.tracing import UNTRACED, Traces, open_traces
from contracts.settings import Settings
from model.baseline import Baseline
from state.memory_store import MemoryStore
from tests.contract.test_stores import A, settings_for
from tests.unit.consumer.making import click, make_world
from tests.unit.consumer.test_closing import Topics, fill, load_baseline

STAGES = ["seal", "step", "transaction", "commit"]


@pytest.fixture(autouse=True)
def no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "HEADERS"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)


@dataclass
class Memory:
    """Spans that are kept here."""

    kept: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def traces(self, chance: float = 0.0, **changes: object) -> Spans:
        settings = settings_for(**changes)
        return Spans(SimpleSpanProcessor(self.kept), settings, lambda: chance)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.kept.get_finished_spans() if span.name == name]


def closer_of(traces: Traces, topics: Topics) -> Closer:
    store = MemoryStore(settings_for())
    fill(store)
    return Closer(
        store=store,
        journal=topics,
        open_publisher=topics.open,
        partition_count=lambda: 1,
        lineup=Lineup(settings=settings_for(), load_built_in=load_baseline),
        traces=traces,
    )


def test_a_bucket_is_a_span_with_its_stages_as_children_in_order() -> None:
    memory = Memory()
    assert closer_of(memory.traces(), Topics()).close_next()
    [bucket] = memory.named("bucket")
    children = [span for span in memory.kept.get_finished_spans() if span.parent is not None]
    assert [span.name for span in children] == STAGES
    assert {span.parent.span_id for span in children if span.parent} == {bucket.context.span_id}
    moments = [(span.start_time or 0, span.end_time or 0) for span in children]
    flat = [moment for pair in moments for moment in pair]
    assert flat == sorted(flat)
    assert (bucket.start_time or 0) <= flat[0]
    assert dict(bucket.attributes or {}) == {
        "genrecast.bucket": A,
        "genrecast.genres": 1,
        "genrecast.clicks": 4,
        "genrecast.model": Baseline.version,
    }


def test_a_bucket_that_could_not_be_published_says_so_without_the_errors_words() -> None:
    memory, topics = Memory(), Topics(dies="before")
    with pytest.raises(FencedError):
        closer_of(memory.traces(), topics).close_next()
    [bucket] = memory.named("bucket")
    assert bucket.status.status_code is StatusCode.ERROR
    assert bucket.status.description == "FencedError"
    assert memory.named("transaction")
    assert not memory.named("commit")


def test_a_look_that_closes_nothing_is_no_trace() -> None:
    memory = Memory()
    closer = closer_of(memory.traces(), Topics())
    while closer.close_next():
        pass
    assert len(memory.named("bucket")) == 2


def test_applied_batches_are_traced_at_the_ratio_asked_for() -> None:
    memory = Memory()
    for chance, ratio in ((0.009, 0.01), (0.01, 0.01), (0.0, 0.0)):
        world = make_world(0)
        world.loop.traces = memory.traces(chance, traces_batch_ratio=ratio)
        world.log.write(0, click(1_000))
        world.log.write(0, b"junk", timestamp_ms=1_000)
        world.step(2)
    [span] = memory.named("batch")
    told = dict(span.attributes or {})
    assert (told["genrecast.records"], told["genrecast.dead_letters"]) == (2, 1)
    assert (told["genrecast.offset"], told["genrecast.next_offset"]) == (0, 2)


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """An OTLP receiver over HTTP: its URL, and what it got."""
    got: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_traces = self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            if is_traces:
                got.append(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200 if is_traces else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_collector_gets_them_over_http(is_ours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as (url, got):
        if not is_ours:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
            monkeypatch.setenv("OTEL_SERVICE_NAME", "clicks-of-ours")
        traces = open_traces(settings_for(app="shop", traces_url=url if is_ours else None))
        assert closer_of(traces, Topics()).close_next()
        traces.close()
    spans = [
        span
        for request in got
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert sorted(span.name for span in spans) == sorted([*STAGES, "bucket"])
    assert len({span.trace_id for span in spans}) == 1
    about = {a.key: a.value.string_value for a in got[0].resource_spans[0].resource.attributes}
    assert about["service.name"] == ("genrecast" if is_ours else "clicks-of-ours")
    assert about["service.namespace"] == "shop"


def test_a_collector_that_is_away_holds_nothing_up() -> None:
    traces = open_traces(settings_for(traces_url="http://127.0.0.1:1"))
    assert closer_of(traces, Topics()).close_next()
    traces.close()


def test_nothing_is_traced_unless_a_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_traces(settings_for()) is UNTRACED
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert open_traces(settings_for()) is UNTRACED


def test_the_exporter_is_not_imported_while_it_is_off() -> None:
    # redis-py imports the SDK's metrics by itself, where it is installed.
    code = (
        "import json, sys\n"
        "import consumer.cli, consumer.service\n"
        "from consumer.tracing import open_traces\n"
        "from contracts.settings import Settings\n"
        "open_traces(Settings())\n"
        "print(json.dumps([m for m in sys.modules if m.startswith((\n"
        "    'consumer.spans', 'opentelemetry.sdk.trace', 'opentelemetry.exporter'))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert json.loads(done.stdout) == []


def test_without_the_extra_our_setting_is_refused_and_the_platforms_only_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from contracts.options import ConfigurationError

    monkeypatch.setitem(sys.modules, "consumer.spans", None)
    with pytest.raises(ConfigurationError, match=r"GENRECAST_TRACES_URL: .*genrecast\[traces\]"):
        open_traces(settings_for(traces_url="http://127.0.0.1:1"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    with caplog.at_level(logging.WARNING):
        assert open_traces(settings_for()) is UNTRACED
    assert "genrecast[traces]" in caplog.text


def test_a_url_of_another_kind_is_refused_without_being_quoted() -> None:
    with pytest.raises(ValueError, match="traces_url") as refused:
        Settings(traces_url="grpc://user:s3cret@host:4317")
    assert "s3cret" not in str(refused.value)


def test_a_stage_that_fails_has_ended_all_the_same() -> None:
    ticks = iter([10.0, 11.0, 13.0, 20.0, 24.0])
    stages = Stages(monotonic=lambda: next(ticks))
    with stages.stage("seal"):
        pass
    with pytest.raises(ValueError, match="no"), stages.stage("step"):
        raise ValueError("no")
    assert stages.done == {"seal": (1.0, 3.0), "step": (10.0, 14.0)}
    assert stages.seconds("step") == 4.0
    assert stages.seconds("commit") == 0.0
