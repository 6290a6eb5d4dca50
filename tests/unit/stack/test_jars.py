import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stack.jars import Jar, ensure_jars
from stack.settings import StackSettings

BYTES = b"bytes of a jar"
JAR = Jar("org.example", "made", "1.0", hashlib.sha256(BYTES).hexdigest(), len(BYTES))


class Repository(BaseHTTPRequestHandler):
    """Serves the jar, and notes how often."""

    served: list[str]

    def do_GET(self) -> None:
        self.served.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(BYTES)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[StackSettings]:
    """Those of an empty cache and a repository on this machine."""
    Repository.served = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Repository) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/maven2"
        yield StackSettings(cache_dir=tmp_path, maven_repository=url)
        server.shutdown()
        thread.join()


def test_a_jar_that_several_want_at_once_is_fetched_once(settings: StackSettings) -> None:
    together = threading.Barrier(4)

    def fetched() -> bytes:
        together.wait(30)
        (path,) = ensure_jars(settings, [JAR])
        return path.read_bytes()

    with ThreadPoolExecutor(4) as pool:
        found = [future.result() for future in [pool.submit(fetched) for _ in range(4)]]
    assert found == [BYTES] * 4
    assert Repository.served == ["/maven2/org/example/made/1.0/made-1.0.jar"]
