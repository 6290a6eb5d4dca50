"""Pods as Docker runs them: with the rights, room and settings of the manifests, no more."""

import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stack.ports import pick_port
from stack.runner import Endpoints
from tests.containers import app_image, require_engine
from tests.deployment import PATIENCE_SECONDS, Deployment
from tests.kubernetes.rendering import Document, pods, rendered, settings_of
from tests.kubernetes.test_program import PARTS

pytestmark = [pytest.mark.containers, pytest.mark.services, pytest.mark.timeout(600)]

PORTS = {"genrecast-consumer": "GENRECAST_HEALTH_PORT", "genrecast-feed": "GENRECAST_SERVE_PORT"}
"""Each pod has an address of its own, containers here share one: the settings that move a port."""


@dataclass
class Pods(Deployment):
    """A deployment whose consumer, feed and retraining run in containers, as pods would."""

    image: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ports = {name: pick_port() for name in PORTS}
        self._documents = rendered("trial")

    def command(self, name: str, *arguments: object) -> list[str]:
        """Return how a command is run: one that a pod is for, in a container."""
        for workload, pod in pods(self._documents):
            if PARTS[workload["metadata"]["name"]] == name:
                assert not arguments, "the manifest says them"
                return self._container(workload["metadata"]["name"], pod)
        return super().command(name, *arguments)

    def _container(self, name: str, pod: Document) -> list[str]:
        [container] = pod["containers"]
        variables = self._variables(name, container)
        return [
            "docker", "run", "--rm", "--network=host", f"--label=deployment={self.options['app']}",
            *granted(pod, container),
            *(f"--env={variable}={value}" for variable, value in variables.items()),
            self.image, *container["args"],
        ]  # fmt: skip

    def _variables(self, name: str, container: Document) -> dict[str, str]:
        own = {e["name"]: e.get("value", f"{name}-0") for e in container.get("env", ())}
        here = {f"GENRECAST_{key.upper()}": str(value) for key, value in self.options.items()}
        moved = {PORTS[name]: str(self.ports[name])} if name in PORTS else {}
        return settings_of(self._documents) | own | here | moved

    def end(self) -> None:
        """Remove what still runs: a container outlives the client that started it."""
        chosen = ["--filter", f"label=deployment={self.options['app']}"]
        left = docker("ps", "--all", "--quiet", *chosen).split()
        if left:
            docker("rm", "--force", *left)
        super().end()


def granted(pod: Document, container: Document) -> Iterator[str]:
    """Yield what Docker calls a pod's rights and limits."""
    user, own = pod["securityContext"], container["securityContext"]
    yield f"--user={user['runAsUser']}:{user['runAsGroup']}"
    yield f"--group-add={user['fsGroup']}"
    if own["readOnlyRootFilesystem"]:
        yield "--read-only"
    if not own["allowPrivilegeEscalation"]:
        yield "--security-opt=no-new-privileges"
    for capability in own["capabilities"]["drop"]:
        yield f"--cap-drop={capability}"
    yield f"--memory={container['resources']['limits']['memory'].removesuffix('i').lower()}"
    rooms = {v["name"]: v["emptyDir"]["sizeLimit"] for v in pod["volumes"]}
    for mount in container["volumeMounts"]:
        size = rooms[mount["name"]].removesuffix("i").lower()
        yield f"--tmpfs={mount['mountPath']}:size={size}"


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def deployed(services: Endpoints, tmp_path: Path) -> Iterator[Pods]:
    require_engine()
    made = Pods(
        services.kafka_bootstrap, services.redis_url, tmp_path / "logs",
        {"bucket_seconds": 60}, image=app_image(),
    )  # fmt: skip
    try:
        yield made
    finally:
        made.end()


def wait_until(d: Pods, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, d.log_text()[-5000:]
        time.sleep(0.3)


def answer(d: Pods, name: str, path: str) -> bytes | None:
    """What a pod answers; None when it does not, or says that it is not ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{d.ports[name]}{path}", timeout=5) as found:
            read: bytes = found.read()
            return read
    except OSError:
        return None


def is_ready(d: Pods, name: str) -> bool:
    return all(answer(d, name, path) is not None for path in ("/healthz", "/readyz"))


def knows_genres(d: Pods) -> bool:
    overview: dict[str, Any] = json.loads(answer(d, "genrecast-feed", "/v1/overview") or b"{}")
    return bool(overview.get("genres"))


def test_pods_count_forecast_retrain_and_serve_with_no_more_than_the_manifests_give(
    deployed: Pods,
) -> None:
    d = deployed
    d.make_topics()
    consumer, feed = d.start("consume"), d.start("serve")
    d.run(
        "simulate", "--events", 20_000, "--rate", 20_000, "--speed", 6_000, "--seed", 3,
        "--start", "2026-03-02T18:00",
    )  # fmt: skip
    d.publish_all(consumer)
    wait_until(d, lambda: is_ready(d, "genrecast-consumer"))
    assert {forecast.kind for forecast in d.forecasts()} == {"lstm"}, "TensorFlow runs there"

    d.run("retrain")
    wait_until(d, lambda: "runs in shadow" in d.log_text())

    wait_until(d, lambda: is_ready(d, "genrecast-feed"))
    wait_until(d, lambda: knows_genres(d))

    for pod in (feed, consumer):
        pod.terminate()
        assert pod.wait(PATIENCE_SECONDS) == 0, d.log_text()[-5000:]


def test_sigterm_ends_a_pod_that_still_starts(deployed: Pods) -> None:
    """Process 1 of a container is not ended by a signal that it has no handler for."""
    label = f"--label=deployment={deployed.options['app']}"
    # Opening a pipe that nobody writes to takes for ever.
    starts = "mkfifo /tmp/secret && exec genrecast consume --kafka-password-file=/tmp/secret"
    made = docker(
        "run", "--detach", label, "--read-only", "--tmpfs=/tmp", "--entrypoint=sh",
        deployed.image, "-c", starts,
    ).strip()  # fmt: skip
    wait_until(deployed, lambda: SIGTERM_CAUGHT & caught(made) != 0)
    docker("stop", f"--time={PATIENCE_SECONDS:.0f}", made)
    assert docker("inspect", "--format={{.State.ExitCode}}", made).strip() == "143"


@pytest.mark.parametrize("command", ["consume", "retrain"])
def test_without_room_for_temporary_files_a_container_says_what_it_lacks(command: str) -> None:
    require_engine()
    done = subprocess.run(
        ["docker", "run", "--rm", "--network=none", "--read-only", app_image(), command],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert done.returncode == 2
    assert "mount a tmpfs at /tmp" in done.stderr


SIGTERM_CAUGHT = 1 << (signal.SIGTERM - 1)


def caught(container: str) -> int:
    """Which signals process 1 of a container has handlers for, a bit each."""
    status = docker("exec", container, "cat", "/proc/1/status")
    [bits] = re.findall(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return int(bits, 16)
