"""Explanations over HTTP: made by another process, once, in time, or not at all."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from contracts.explain_requests import ExplainReply
from contracts.explanations import Explanation, Reproduction
from feed.serve.explaining import MOST_WAITING, ExplainingProcess
from tests.served import Served, serve_settings, served, wait_for
from tests.unit.feed.making import service

MADE = Explanation(
    genre="crime",
    bucket_start=0,
    bucket_seconds=60,
    model_version="lstm-1",
    kind="lstm",
    first_step=1,
    last_step=3,
    ordinary=1.0,
    forecast=1.0,
    causes=[],
    buckets=[],
    error=0.0,
    points=16,
    reproduction=Reproduction(published=1.0, recomputed=1.0, is_exact=True),
)

ANSWERING = """
import json, os, sys
json.loads(sys.stdin.readline())
for line in sys.stdin:
    with open({log!r}, "a") as log:
        log.write(f"{{os.getpid()}}\\n")
    {then}
"""

REPLY = ExplainReply(status="done", explanation=MADE).model_dump_json()
DONE = f"print({REPLY!r}, flush=True)"
REFUSED = """print('{"status": "refused", "detail": "too young"}', flush=True)"""
SILENT = "import time; time.sleep(600)"
DYING = "sys.exit(3)"


@contextmanager
def site(tmp_path: Path, then: str, **options: object) -> Iterator[tuple[Served, Path]]:
    """A service whose explaining process does something, and the log of what it was asked."""
    log = tmp_path / "asked"
    script = ANSWERING.format(log=str(log), then=then)
    port = serve_settings().serve_port
    made = service(0, serve_explanations=True, serve_port=port, **options)
    assert made.explanations is not None
    made.explanations.process = ExplainingProcess(made.settings, (sys.executable, "-c", script))
    with served(made) as found:
        yield found, log


def asked(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def process_of(found: Served) -> ExplainingProcess:
    assert found.service.explanations is not None
    return found.service.explanations.process


def test_they_are_off_unless_set() -> None:
    with served(service(0, serve_port=0)) as found:
        reply = found.get("/v1/explanation?genre=crime")
        assert reply.status == 404
        assert "GENRECAST_SERVE_EXPLANATIONS" in reply.json["detail"]


def test_the_same_is_explained_once_and_no_process_waits_before(tmp_path: Path) -> None:
    with site(tmp_path, DONE) as (found, log):
        assert not process_of(found).is_running
        replies = [found.get("/v1/explanation?genre=Crime") for _ in range(3)]
        assert [reply.status for reply in replies] == [200] * 3
        assert Explanation.model_validate(replies[0].json) == MADE
        assert len(asked(log)) == 1
        found.get("/v1/explanation?genre=crime&step=2")
        found.get("/v1/explanation?genre=noir")
        assert len(asked(log)) == 3
        assert len(set(asked(log))) == 1, "one process answers all"
    assert not process_of(found).is_running


def test_a_forecast_that_can_not_be_explained_is_a_conflict(tmp_path: Path) -> None:
    with site(tmp_path, REFUSED) as (found, log):
        reply = found.get("/v1/explanation?genre=crime")
        assert (reply.status, reply.json) == (409, {"detail": "too young"})
        assert found.get("/v1/explanation?genre=western").status == 404
        assert found.get("/v1/explanation?genre=crime&step=0").status == 422
        assert len(asked(log)) == 1


@pytest.mark.parametrize("then", [DYING, "print('{]', flush=True)"], ids=["dies", "babbles"])
def test_a_process_that_fails_is_started_anew_at_the_next_request(
    tmp_path: Path, then: str
) -> None:
    with site(tmp_path, then) as (found, log):
        for _ in range(2):
            reply = found.get("/v1/explanation?genre=crime")
            assert reply.status == 503
            assert reply.headers["retry-after"]
        assert len(set(asked(log))) == 2
        assert found.get("/healthz").status == 200


def test_a_process_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    with site(tmp_path, SILENT, serve_explanation_seconds=1.0) as (found, _):
        assert found.get("/v1/explanation?genre=crime").status == 503
        assert not process_of(found).is_running


def test_a_process_that_is_not_asked_ends(tmp_path: Path) -> None:
    with site(tmp_path, DONE, serve_explanation_idle_seconds=0.2) as (found, _):
        assert found.get("/v1/explanation?genre=crime").status == 200
        wait_for(lambda: not process_of(found).is_running, "the idle process ends")


def test_all_who_ask_the_same_wait_for_one_answer(tmp_path: Path) -> None:
    go, many = tmp_path / "go", 2 * MOST_WAITING
    then = f"import time\n    while not os.path.exists({str(go)!r}): time.sleep(0.01)\n    {DONE}"
    with (
        site(tmp_path, then, serve_explanation_seconds=600.0) as (found, log),
        ThreadPoolExecutor(many) as pool,
    ):
        waiting = [pool.submit(found.get, "/v1/explanation?genre=crime") for _ in range(many)]
        connected = f"genrecast_serve_connections {many + 1}.0"
        wait_for(lambda: connected in found.get("/metrics").body.decode(), "all have asked")
        go.touch()
        assert [one.result().status for one in waiting] == [200] * many
        assert len(asked(log)) == 1


def test_no_more_than_a_few_may_wait_and_the_end_does_not_wait_for_them(tmp_path: Path) -> None:
    with site(tmp_path, SILENT) as (found, log), ThreadPoolExecutor(9) as pool:
        paths = [f"/v1/explanation?genre=crime&step={step}" for step in range(1, 10)]
        waiting = [pool.submit(found.get, path) for path in paths]
        done = threading.Event()
        for one in waiting:
            one.add_done_callback(lambda _: done.set())
        assert done.wait(120), "one is told to come back"
        (refused,) = [one for one in waiting if one.done()]
        assert refused.result().status == 503
        wait_for(lambda: len(asked(log)) == 1, "the first one is with the process")
        found.do(found.service.explanations.close)  # type: ignore[union-attr]
        for one in waiting:
            one.exception(120)
