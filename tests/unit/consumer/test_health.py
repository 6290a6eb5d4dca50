"""What a probe and a scraper see."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from consumer.health import Readiness, serve_health


@pytest.fixture
def served() -> Iterator[tuple[Readiness, str]]:
    readiness = Readiness(lambda: 0.0)
    server = serve_health(readiness, 0)
    yield readiness, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_readiness_gives_the_reason_until_the_part_works(served: tuple[Readiness, str]) -> None:
    readiness, url = served
    readiness.fine("start")
    readiness.trouble("reading", "Redis: away")
    status, body = get(f"{url}/readyz")
    assert status == 503
    assert json.loads(body) == {"ready": False, "reasons": {"reading": "Redis: away"}}
    assert get(f"{url}/healthz")[0] == 200, "alive all the same"
    assert 'genrecast_not_ready{part="reading"} 1.0' in get(f"{url}/metrics")[1]

    readiness.fine("reading")
    assert get(f"{url}/readyz")[0] == 200
    assert 'genrecast_not_ready{part="reading"} 0.0' in get(f"{url}/metrics")[1]
    assert get(f"{url}/elsewhere")[0] == 404
