"""The HTTP service on a real socket: answers, refusals, hostile peers."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from contracts.clock import wall_clock_ms
from contracts.options import ConfigurationError
from feed.serve import app
from feed.serve.auth import token_of
from feed.serve.service import Service
from feed.serve.settings import ServeSettings
from tests.served import Served, serve_settings, served, wait_for
from tests.unit.feed.making import at, kept

TOKEN = "0123456789abcdef-token"


def made(numbers: range = range(30), **options: object) -> Service:
    service = Service(serve_settings(horizon=3, **options), wall_clock_ms)
    for number in numbers:
        service.add(kept(number, clicks=number))
    service.filled()
    return service


@pytest.fixture(scope="module")
def site() -> Iterator[Served]:
    """Buckets 0 to 29 of crime and noir; bucket n had n clicks of each."""
    with served(made(serve_requests_per_second=10_000, serve_header_seconds=1)) as found:
        yield found


def read_until(peer: socket.socket, end: bytes) -> bytes:
    received = b""
    while end not in received:
        some = peer.recv(65_536)
        assert some, received[-500:]
        received += some
    return received


def read_to_end(peer: socket.socket) -> bytes:
    received = b""
    try:
        while some := peer.recv(65_536):
            received += some
    except ConnectionResetError:
        pass  # what was sent and not read by the server
    return received


def upload_without_end(peer: socket.socket) -> None:
    while True:
        peer.sendall(b"x" * 65_536)


def test_the_newest_forecasts_are_those_of_the_topic(site: Served) -> None:
    newest = site.service.board.newest
    assert newest is not None
    answer = site.get("/v1/forecasts").json
    assert (answer["bucket_start"], answer["bucket_seconds"]) == (at(29), 60)
    assert answer["forecasts"] == [json.loads(message) for message in newest.messages()]
    assert [f["genre"] for f in site.get("/v1/forecasts?genre=%20NOIR").json["forecasts"]] == [
        "noir"
    ]


def test_a_past_bucket_is_found_by_a_moment_in_it(site: Served) -> None:
    answer = site.get(f"/v1/forecasts?at={at(7) + 59_999}").json
    assert answer["bucket_start"] == at(7)
    assert site.get(f"/v1/forecasts?at={at(30)}").status == 404
    assert site.get(f"/v1/forecasts?at={at(0) - 1}").status == 404


def test_history_has_what_was_forecast_so_many_buckets_before(site: Served) -> None:
    # step h expects 10 h clicks; bucket n had n
    answer = site.get("/v1/history?genre=crime&buckets=2&ahead=3").json
    quantiles = {"0.1": 15.0, "0.5": 27.0, "0.9": 60.0}
    assert answer["buckets"] == [
        {"bucket_start": at(n), "observed": n, "mean": 30.0, "quantiles": quantiles}
        for n in (28, 29)
    ]
    oldest = site.get("/v1/history?genre=crime&buckets=1000&ahead=3").json["buckets"]
    assert len(oldest) == 30
    assert [b["mean"] for b in oldest[:4]] == [None, None, None, 30.0]


def test_overview_and_trends_say_how_it_grows(site: Served) -> None:
    # of late 27, 28, 29; expected 10, 20, 30: (20 + 1) / (28 + 1) - 1
    overview = site.get("/v1/overview?points=2").json
    assert overview["genres"][0] == {
        "genre": "crime",
        "observed": 29,
        "recent": [28, 29],
        "next": {"mean": 10.0, "quantiles": {"0.1": 5.0, "0.5": 9.0, "0.9": 20.0}},
        "growth": -0.2759,
        "skill": None,
        "kind": "lstm",
    }
    trending = site.get("/v1/trending?limit=1").json["genres"]
    assert trending == [{"genre": "crime", "observed": 28.0, "expected": 20.0, "growth": -0.2759}]


def test_the_record_is_what_came_against_what_was_forecast(site: Served) -> None:
    # step 1 forecast 9 (5 to 20) for buckets 1 to 29, which had as many clicks as their number
    record = site.get("/v1/record?genre=crime").json
    first = record["steps"][0]
    mae = sum(abs(n - 9) for n in range(1, 30)) / 29
    assert (first["n"], first["mae"]) == (29, round(mae, 4))
    assert first["coverage"] == round(len(range(5, 21)) / 29, 4)
    assert record["levels"][0]["n"] == 29 + 28 + 27
    assert [level["level"] for level in record["levels"]] == [0.1, 0.5, 0.9]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/forecasts?genre=unheard-of", 404),
        ("/v1/history?genre=unheard-of", 404),
        ("/v1/history", 422),
        ("/v1/forecasts?at=yesterday", 422),
        ("/v1/forecasts?at=99999999999999999999999", 422),
        ("/v1/history?genre=crime&buckets=0", 422),
        ("/v1/history?genre=" + "x" * 65, 422),
        ("/v1/stream?last_event_id=-1", 422),
        ("/v1/stream?last_event_id=%D9%A1", 422),  # an Arabic digit
        ("/v1/stream?last_event_id=" + "9" * 40, 422),
        ("/v1/forecasts?" + "genre=crime&" * 101, 422),
        ("/v1/forecasts?" + "x" * 9_000, 414),
        ("/../../etc/passwd", 404),
        ("/assets/..%2f..%2fcontracts%2fsettings.py", 404),
        ("/v1/forecasts%00", 404),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(site: Served, path: str, status: int) -> None:
    reply = site.get(path)
    assert reply.status == status
    assert isinstance(reply.json["detail"], str)


def test_other_methods_are_refused(site: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert site.get("/v1/forecasts", method).status == 405


def test_every_answer_forbids_what_is_from_elsewhere(site: Served) -> None:
    for path in ("/v1/overview", "/healthz", "/nothing", "/v1/history"):
        headers = site.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_metrics_are_the_services_own(site: Served) -> None:
    text = site.get("/metrics").body.decode()
    assert "genrecast_serve_buckets 30.0" in text
    assert 'genrecast_serve_requests_total{code="404",route="other"}' in text
    assert "genrecast_records" not in text


def test_a_stream_ends_when_its_reader_goes(site: Served) -> None:
    with site.connect() as peer:
        peer.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        read_until(peer, b"event: bucket")
        assert site.do(lambda: site.service.subscribers) == 1
    wait_for(lambda: site.do(lambda: site.service.subscribers) == 0, "the stream's end")


def test_a_request_that_does_not_arrive_is_ended(site: Served) -> None:
    with site.connect() as peer, site.connect() as silent:
        peer.sendall(b"GET /v1/overview HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert read_to_end(peer).startswith(b"HTTP/1.1 408 ")
        assert read_to_end(silent) == b"", "a browser's spare connection is closed without a word"


def test_a_second_request_that_does_not_arrive_is_ended(site: Served) -> None:
    with site.connect() as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        read_until(peer, b"\r\n\r\n{")
        peer.sendall(b"G")
        assert b"HTTP/1.1 408 " in read_to_end(peer)


def test_a_head_that_is_too_long_is_refused(site: Served) -> None:
    with site.connect() as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 20_000)
        assert read_to_end(peer).startswith(b"HTTP/1.1 431 ")
    with site.connect() as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 3_000)
        assert read_to_end(peer).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x00\x01\x02\xff" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,  # TLS
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/stream HTTP/9.9\r\n\r\n",
        b"POST /v1/forecasts HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ],
    ids=["noise", "tls", "target", "version", "length", "chunk", "http2", "websocket"],
)
def test_what_is_no_request_leaves_it_answering(site: Served, hostile: bytes) -> None:
    with site.connect() as peer:
        peer.sendall(hostile)
        peer.shutdown(socket.SHUT_WR)
        peer.recv(65_536)
    assert site.get("/healthz").status == 200


def test_a_request_that_uploads_without_end_is_answered_and_ended(site: Served) -> None:
    head = b"POST /v1/forecasts HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n"
    with site.connect() as peer:
        peer.sendall(head)
        assert b" 405 " in read_until(peer, b"\r\n\r\n")
        with pytest.raises(ConnectionError):
            upload_without_end(peer)
    assert site.get("/healthz").status == 200


def test_a_token_is_asked_for_before_anything_is_read() -> None:
    with served(made(range(1), serve_token=TOKEN)) as site:
        for path in ("/v1/overview", "/v1/stream", "/v1/nothing", "/metrics"):
            refused = site.get(path)
            assert (refused.status, refused.headers["www-authenticate"][:6]) == (401, "Bearer")
        for wrong in ("Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \xe9"):
            assert site.get("/v1/overview", authorization=wrong).status == 401
        assert site.get("/v1/overview", authorization=f"Bearer {TOKEN}").status == 200
        assert site.get("/v1/overview", authorization=f"bearer  {TOKEN}").status == 200
        assert [site.get(path).status for path in ("/healthz", "/readyz")] == [200, 200]


def test_a_tokens_file_is_read_and_a_bad_one_named(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    assert token_of(ServeSettings(serve_token_file=path)) == TOKEN
    path.write_text("short")
    with pytest.raises(ConfigurationError, match="GENRECAST_SERVE_TOKEN_FILE: must be 16 or more"):
        token_of(ServeSettings(serve_token_file=path))
    with pytest.raises(ConfigurationError, match="cannot read"):
        token_of(ServeSettings(serve_token_file=tmp_path / "none"))


def test_requests_over_the_rate_are_told_when_to_come_again() -> None:
    with served(made(range(1), serve_requests_per_second=0.1)) as site:
        assert site.get("/healthz").status == 200
        refused = site.get("/healthz")
        assert refused.status == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 11


def test_connections_over_the_limit_are_refused_and_free_again_when_others_go() -> None:
    with served(made(range(1), serve_max_connections_per_address=3)) as site:
        peers = [site.connect() for _ in range(3)]
        for peer in peers:
            peer.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
            read_until(peer, b"event: bucket")
        assert site.get("/healthz").status == 503
        peers.pop().close()
        wait_for(lambda: site.get("/healthz").status == 200, "room for a connection")
        for peer in peers:
            peer.close()


def test_thousands_of_connections_from_one_address_leave_it_answering_others() -> None:
    with served(made(range(1))) as site, ExitStack() as held:
        for _ in range(8):
            for _ in range(500):
                held.enter_context(site.connect()).setblocking(False)
            with site.connect(source="127.0.0.2") as peer:
                peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert read_to_end(peer).startswith(b"HTTP/1.1 200 ")
            held.pop_all().close()
        wait_for(lambda: site.get("/healthz").status == 200, "room for the address again")


def test_pages_of_allowed_origins_may_read_and_others_may_not() -> None:
    allowed = "https://page.example"
    with served(made(range(1), serve_allowed_origins=allowed, serve_token=TOKEN)) as site:
        asked = {"access_control_request_method": "GET"}
        preflight = site.get("/v1/overview", "OPTIONS", origin=allowed, **asked)
        assert preflight.headers["access-control-allow-origin"] == allowed
        other = site.get("/v1/overview", "OPTIONS", origin="https://other.example", **asked)
        assert "access-control-allow-origin" not in other.headers


def stall(site: Served, peer: socket.socket) -> None:
    """Subscribe, take the first bucket and then nothing of the many large ones that follow."""
    peer.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
    read_until(peer, b"event: bucket\n")
    genres = [f"genre {number}" for number in range(400)]
    for number in range(1, 21):
        site.do(partial(site.service.add, kept(number, genres)))


def test_a_reader_that_takes_nothing_is_let_go() -> None:
    with served(made(range(1), serve_write_seconds=1)) as site, site.connect(4_096) as peer:
        stall(site, peer)
        wait_for(lambda: site.do(lambda: site.service.subscribers) == 0, "the reader let go")


def test_a_reader_that_stalled_gets_a_gap_and_the_newest_bucket() -> None:
    with served(made(range(1), serve_write_seconds=120)) as site, site.connect(4_096) as peer:
        stall(site, peer)
        received = read_until(peer, f'{{"bucket_start":{at(20)},"genres":400}}\n\n'.encode())
    events = re.findall(rb"event: (?:gap|bucket)\n(?:id: \d+\n)?data: (.*)\n\n", received)
    told = [json.loads(event) for event in events]
    (gap,) = [event for event in told if "from" in event]
    buckets = [event["bucket_start"] for event in told if "bucket_start" in event]
    assert gap["to"] == at(19)
    assert gap["buckets"] == (at(20) - gap["from"]) // 60_000 == site.service.conflated
    assert [start for start in buckets if start >= gap["from"]] == [at(20)]


def test_classic_scripts_are_in_the_page_and_named_in_its_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text(
        '<script src="assets/theme.js"></script><script type="module" src="assets/a.js"></script>'
    )
    (tmp_path / "theme.js").write_text('say("ö")')
    monkeypatch.setattr(app, "DASHBOARD", tmp_path)
    with served(made(range(1))) as site:
        page = site.get("/")
        assert page.body.decode() == (
            '<script>say("ö")</script><script type="module" src="assets/a.js"></script>'
        )
        # printf 'say("ö")' | openssl dgst -sha256 -binary | base64
        digest = "djnydADxEePAo+gpheRgoFqUTy/dv/atBc4QRxca75M="
        policy = page.headers["content-security-policy"]
        assert f"; script-src 'self' 'sha256-{digest}'" in policy
        assert policy.startswith("default-src 'self'; ")
        assert "script-src" not in site.get("/healthz").headers["content-security-policy"]


def test_the_dashboard_is_served_where_its_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "main.js").write_text("export {}")
    monkeypatch.setattr(app, "DASHBOARD", tmp_path)
    with served(made(range(1), serve_token=TOKEN)) as site:
        page, script = site.get("/"), site.get("/assets/main.js")
        assert (page.body, page.headers["cache-control"]) == (b"<!doctype html>", "no-cache")
        assert script.headers["content-type"].startswith("text/javascript")
        again = site.get("/assets/main.js", if_none_match=script.headers["etag"])
        assert (again.status, again.headers["cache-control"]) == (304, "no-cache")
        assert site.get("/assets/../../settings.py").status == 404
