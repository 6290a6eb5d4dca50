"""docker-compose.yml on a real engine: healthy, forecasting, unprivileged, ending in order."""

import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from stack.ports import pick_port
from tests.containers import KAFKA_IMAGE, REDIS_IMAGE, require_engine

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


def compose_command() -> list[str]:
    """Return how compose is called here."""
    engine = ["docker", "compose"]
    if (
        shutil.which("docker") is None
        or subprocess.run([*engine, "version"], capture_output=True).returncode
    ):
        engine = ["docker-compose"]
    if shutil.which(engine[0]) is None:
        reason = "docker compose is not installed"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return engine


class Compose:
    def __init__(self) -> None:
        self._base = [*compose_command(), "-p", f"genrecast-test-{uuid.uuid4().hex[:8]}"]
        self._environment = os.environ | {
            "KAFKA_IMAGE": KAFKA_IMAGE,
            "REDIS_IMAGE": REDIS_IMAGE,
            "KAFKA_PORT": str(pick_port()),
            "REDIS_PORT": str(pick_port()),
            "FEED_PORT": str(pick_port()),
            "GENRECAST_BUCKET_SECONDS": "1",
            "SIMULATOR_RATE": "300",
        }
        image = os.environ.get("GENRECAST_TEST_APP_IMAGE")
        if image:
            self._environment["GENRECAST_IMAGE"] = image
        self._build = ["--no-build"] if image else ["--build"]

    def __call__(self, *arguments: str, timeout: float = 400) -> str:
        done = subprocess.run(
            [*self._base, *arguments], cwd=ROOT, env=self._environment,
            capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def up(self) -> None:
        self("up", "-d", *self._build)

    def inspect(self, service: str) -> dict[str, object]:
        number = self("ps", "-a", "-q", service).strip()
        text = subprocess.run(
            ["docker", "inspect", number], capture_output=True, text=True, check=True
        ).stdout
        found: dict[str, object] = json.loads(text)[0]
        return found


PINNED = re.compile(r":v?\d+\.\d+\.\d+(-[a-z]+)*@sha256:[0-9a-f]{64}(\}|$)")
"""The end of an image that can't become another one."""

LOOK_AT_PAGE = """
import json, urllib.request
def get(path):
    return urllib.request.urlopen("http://127.0.0.1:8080" + path, timeout=5).read().decode()
print(len(json.loads(get("/v1/overview"))["genres"]), "<main" in get("/"))
"""
"""Prints how many genres the service knows, and whether it has a page."""


@pytest.fixture
def compose() -> Iterator[Compose]:
    require_engine()
    made = Compose()
    try:
        yield made
    finally:
        made("down", "-v", "--timeout", "40")


def test_compose_brings_up_a_working_deployment(compose: Compose) -> None:
    compose.up()
    lines: list[str] = []
    deadline = time.monotonic() + 180
    while not lines:
        assert time.monotonic() < deadline, compose("logs", "--tail", "50")
        lines = compose(
            "exec", "-T", "consumer", "genrecast", "feed", "--from-beginning", "--until-idle", "1"
        ).splitlines()
    forecast = json.loads(lines[-1])
    assert forecast["bucket_seconds"] == 1
    assert forecast["horizon"]

    status = json.loads(compose("exec", "-T", "consumer", "genrecast", "status", "--json"))
    assert status["totals"]["counted"] > 0
    assert compose("exec", "-T", "consumer", "id", "-u").strip() == "10001"
    assert compose("exec", "-T", "redis", "redis-cli", "config", "get", "appendonly").split() == [
        "appendonly", "yes",
    ]  # fmt: skip

    while True:
        assert time.monotonic() < deadline, compose("logs", "--tail", "50", "feed")
        genres, has_page = compose("exec", "-T", "feed", "python3", "-c", LOOK_AT_PAGE).split()
        if int(genres):
            break
    assert has_page == "True"
    while not is_healthy(compose, "feed"):
        assert time.monotonic() < deadline, compose("logs", "--tail", "50", "feed")
        time.sleep(0.5)

    compose("stop", "simulator", "feed", "consumer")
    for service in ("simulator", "feed", "consumer"):
        state = compose.inspect(service)["State"]
        assert isinstance(state, dict)
        assert state["ExitCode"] == 0, compose("logs", "--tail", "30", service)


def is_healthy(compose: Compose, service: str) -> bool:
    state = compose.inspect(service)["State"]
    assert isinstance(state, dict)
    return bool(state["Health"]["Status"] == "healthy")


def test_every_service_is_bounded_and_checked() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, service in services.items():
        assert "mem_limit" in service, name
        assert "restart" in service, name
        assert "healthcheck" in service or name == "simulator", name
    assert {"--appendonly", "noeviction"} <= set(services["redis"]["command"])


def test_images_that_others_make_are_pinned_by_version_and_digest() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    images = {service["image"] for service in services.values()}
    ours = {image for image in images if "genrecast:" in image}
    [base] = re.findall(r"^ARG BASE_IMAGE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(images - ours) == 4
    for image in {base} | images - ours:
        assert PINNED.search(image), image


def test_compose_takes_the_file_with_the_profile_observe_and_without() -> None:
    for profile in ([], ["--profile", "observe"]):
        done = subprocess.run(
            [*compose_command(), *profile, "config", "-q"],
            cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_prometheus_and_grafana_come_only_when_asked_for_pinned_and_read_only() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    observers = {name: s for name, s in services.items() if s.get("profiles") == ["observe"]}
    assert set(observers) == {"prometheus", "grafana"}
    assert not any("profiles" in s for name, s in services.items() if name not in observers)
    for name, service in observers.items():
        assert PINNED.search(service["image"]), name
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for source, *_, mode in (volume.split(":") for volume in service["volumes"]):
            if source.startswith("./"):
                assert (ROOT / source).is_dir()
                assert mode == "ro"


def test_grafana_is_given_the_dashboard_and_prometheus_the_consumers() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    scrape = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text())
    ports = {"consumer": "--health-port", "feed": "--serve-port"}
    for job in scrape["scrape_configs"]:
        [found] = job["dns_sd_configs"]
        [name] = found["names"]
        command = services[name]["command"]
        assert str(found["port"]) == command[command.index(ports.pop(name)) + 1]
    assert not ports
    folder = ROOT / "grafana/provisioning"
    [source] = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [provider] = yaml.safe_load((folder / "dashboards/genrecast.yml").read_text())["providers"]
    mounted = f"./grafana/dashboards:{provider['options']['path']}:ro"
    assert mounted in services["grafana"]["volumes"]
