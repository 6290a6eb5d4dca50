"""The README's programs do what they say."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.settings import Settings
from stack.runner import Endpoints
from tests.deployment import deployment
from tests.forecast_topic import publishing
from tests.readme_tables import README

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]

PROGRAMS = re.findall(
    r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.fixture(scope="module")
def settings(services: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    logs = tmp_path_factory.mktemp("examples")
    with (
        deployment(services.kafka_bootstrap, services.redis_url, logs) as d,
        publishing(d.settings) as published,
    ):
        published.publish(["crime", "noir"], 2)
        yield d.settings


def first_line(program: str, settings: Settings, directory: Path) -> str:
    """Run a program until it prints; end it."""
    names = ("app", "kafka_bootstrap", "topic_forecasts", "topic_buckets")
    own = {f"GENRECAST_{name.upper()}": str(getattr(settings, name)) for name in names}
    environment = {**os.environ, **own, "PYTHONPATH": str(README.parent)}
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=directory, env=environment, text=True,
        stdout=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        line = running.stdout.readline()
        running.kill()
    return line


def test_forecast_feeds_program_prints_forecasts(settings: Settings, tmp_path: Path) -> None:
    (program,) = [text for text in PROGRAMS if "ForecastFeed" in text]
    genre, start, mean, upper = first_line(program, settings, tmp_path).split()
    assert (genre, float(mean), float(upper)) == ("crime", 10.0, 20.0)
    assert int(start) > 0


def test_the_plain_clients_program_prints_forecasts(settings: Settings, tmp_path: Path) -> None:
    (program,) = [text for text in PROGRAMS if "KafkaConsumer" in text]
    ours = program.replace("localhost:9092", settings.kafka_bootstrap)
    ours = ours.replace("genre-forecasts", settings.topic_forecasts)
    genre, mean = first_line(ours, settings, tmp_path).split()
    assert genre in ("crime", "noir")
    assert float(mean) == 10.0


def test_the_programs_are_ten_lines() -> None:
    assert len(PROGRAMS) == 2
    for program in PROGRAMS:
        assert len([line for line in program.splitlines() if line.strip()]) <= 10
