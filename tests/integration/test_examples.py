"""The programs of the start page do what they say."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaProducer

from contracts.events import ClickEvent
from contracts.settings import Settings
from stack.runner import Endpoints
from tests.deployment import PATIENCE_SECONDS, Deployment, deployment
from tests.forecast_topic import publishing

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
START = (ROOT / "docs/start.md").read_text("utf-8")
PROGRAMS: list[str] = re.findall(r"^```python\n(.*?)^```$", START, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def deployed(services: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    logs = tmp_path_factory.mktemp("examples")
    with (
        deployment(services.kafka_bootstrap, services.redis_url, logs) as d,
        publishing(d.settings) as published,
    ):
        published.publish(["crime", "noir"], 2)
        d.make_topics()
        yield d


@contextmanager
def running(program: str, settings: Settings, directory: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run a program as somebody would who follows the page; end it."""
    names = ("app", "kafka_bootstrap", "topic_clicks", "topic_forecasts", "topic_buckets")
    own = {f"GENRECAST_{name.upper()}": str(getattr(settings, name)) for name in names}
    environment = {**os.environ, **own, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=directory, env=environment, text=True,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def first_line(program: str, settings: Settings, directory: Path) -> str:
    """Run a program until it prints."""
    with running(program, settings, directory) as process:
        assert process.stdout is not None
        return str(process.stdout.readline())


def the_program_with(name: str) -> str:
    (program,) = [text for text in PROGRAMS if name in text]
    return program


def test_other_events_become_clicks(deployed: Deployment, tmp_path: Path) -> None:
    orders = deployed.settings.topic_late  # some topic of other records
    producer = KafkaProducer(bootstrap_servers=deployed.kafka_bootstrap)
    order = b'{"at_ms": 1767571200000, "customer": "u1", "article": "a1", "category": "Tea"}'
    place = producer.send(orders, order).get(timeout=PATIENCE_SECONDS)
    producer.close()
    program = the_program_with("orders").replace('"orders"', f'"{orders}"')
    deadline = time.monotonic() + PATIENCE_SECONDS
    with running(program, deployed.settings, tmp_path):
        while not (written := deployed.read_topic("topic_clicks")):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert ClickEvent.model_validate_json(written[0].value) == ClickEvent(
        event_id=f"{place.partition}-{place.offset}",
        event_time=1_767_571_200_000,
        user_id="u1",
        show_id="a1",
        genres=["tea"],
    )


def test_forecast_feeds_program_prints_forecasts(deployed: Deployment, tmp_path: Path) -> None:
    line = first_line(the_program_with("ForecastFeed"), deployed.settings, tmp_path)
    genre, start, mean, upper = line.split()
    assert (genre, float(mean), float(upper)) == ("crime", 10.0, 20.0)
    assert int(start) > 0


def test_the_plain_clients_program_prints_forecasts(deployed: Deployment, tmp_path: Path) -> None:
    ours = the_program_with("read_committed").replace("localhost:9092", deployed.kafka_bootstrap)
    ours = ours.replace("genre-forecasts", deployed.settings.topic_forecasts)
    genre, mean = first_line(ours, deployed.settings, tmp_path).split()
    assert genre in ("crime", "noir")
    assert float(mean) == 10.0


def test_the_programs_that_read_are_ten_lines() -> None:
    assert len(PROGRAMS) == 3
    for program in (the_program_with("ForecastFeed"), the_program_with("read_committed")):
        assert len([line for line in program.splitlines() if line.strip()]) <= 10
