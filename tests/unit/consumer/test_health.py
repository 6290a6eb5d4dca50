"""What a probe and a scraper see."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from consumer import metrics
from consumer.health import Readiness, serve_health
from state.store import Batch, Progress


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


def test_metrics_say_where_records_went_and_who_holds_the_watermark(
    served: tuple[Readiness, str],
) -> None:
    before = metrics.RECORDS.labels("late")._value.get()
    metrics.count_batch(Batch(0, 0, 9, counted=3, late=2, lost=1))
    progress = Progress(
        offsets={0: 9, 1: 4, 2: 0},
        watermarks={0: 5_000, 1: 2_000, 3: 1_000},
        restored_cut={},
        idle_until={3: 99},
        closed_ms=None,
        published_ms=None,
        global_watermark_ms=2_000,
        is_live=True,
    )
    metrics.show_progress(progress, {0: 9, 1: 4, 2: 0}, now_ms=50)
    told = get(f"{served[1]}/metrics")[1]
    assert f'genrecast_records_total{{place="late"}} {before + 2}' in told
    assert 'genrecast_holds_watermark{partition="0"} 0.0' in told
    assert 'genrecast_holds_watermark{partition="1"} 1.0' in told
    assert 'genrecast_holds_watermark{partition="2"} 1.0' in told, "nobody has read it yet"
    assert 'genrecast_position_offset{partition="0"} 9.0' in told
    assert "genrecast_global_watermark_seconds 2.0" in told
