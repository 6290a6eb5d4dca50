"""Manifests and program say the same: settings, commands, ports, paths, how long an end takes."""

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from consumer.health import Readiness, serve_health
from contracts.link_settings import ENVIRONMENT_PREFIX
from contracts.settings import Settings
from contracts.topic_layouts import DEFAULT_PARTITIONS
from feed.serve.app import make_api
from feed.serve.server import GRACE_SECONDS, JOIN_SECONDS
from feed.serve.settings import ServeSettings
from genrecast.cli import cli
from tests.kubernetes.rendering import OVERLAYS, ROOT, Document, pods, rendered, settings_of
from tests.unit.feed.making import service

LEAVING_SECONDS = 15
"""Left for the batch in hand and the last words to Kafka, seconds."""

PARTS = {"genrecast-consumer": "consume", "genrecast-feed": "serve", "genrecast-retrain": "retrain"}
"""What runs in each."""

overlays = pytest.mark.parametrize("overlay", OVERLAYS)


def environment(documents: list[Document], pod: Document) -> dict[str, str]:
    """Return what the process finds in its environment."""
    [container] = pod["containers"]
    own = {e["name"]: e.get("value", "pod-0") for e in container.get("env", ())}
    return settings_of(documents) | own


def pod_of(overlay: str, name: str) -> Document:
    [found] = [pod for w, pod in pods(rendered(overlay)) if w["metadata"]["name"] == name]
    return found


@overlays
def test_every_variable_is_a_setting_and_has_a_value_that_it_takes(
    overlay: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # where no .env is
    documents = rendered(overlay)
    for workload, pod in pods(documents):
        variables = environment(documents, pod)
        is_feed = workload["metadata"]["name"] == "genrecast-feed"
        model: type[Settings] = ServeSettings if is_feed else Settings
        names = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in model.model_fields}
        assert variables.keys() <= names
        with monkeypatch.context() as patched:
            for name, value in variables.items():
                patched.setenv(name, value)
            settings = model()
        assert settings.app == variables["GENRECAST_APP"]


@overlays
def test_every_command_is_one_of_ours_with_options_that_it_takes(overlay: str) -> None:
    found = {}
    for workload, pod in pods(rendered(overlay)):
        [container] = pod["containers"]
        assert "command" not in container, "the image's entry point is genrecast"
        name, *options = container["args"]
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        command.make_context(name, options)
        found[workload["metadata"]["name"]] = name
    assert found == PARTS


@pytest.fixture(scope="module")
def health() -> Any:  # noqa: ANN401
    server = serve_health(Readiness(lambda: 0.0), 0)
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def is_there(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 503


@overlays
def test_probes_ask_for_paths_that_are_there_at_the_port_that_is_set(
    overlay: str, health: str
) -> None:
    routes = make_api(service(0)).openapi()["paths"]
    for name, variable in (
        ("genrecast-consumer", "GENRECAST_HEALTH_PORT"),
        ("genrecast-feed", "GENRECAST_SERVE_PORT"),
    ):
        pod = pod_of(overlay, name)
        [container] = pod["containers"]
        [port] = container["ports"]
        assert environment(rendered(overlay), pod)[variable] == str(port["containerPort"])
        probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness")}
        assert {probe["path"] for probe in probes.values()} == {"/healthz"}
        probes["readiness"] = container["readinessProbe"]["httpGet"]
        assert probes["readiness"]["path"] == "/readyz"
        for probe in probes.values():
            assert probe["port"] == port["name"]
            is_ours = (
                probe["path"] in routes if "feed" in name else is_there(health + probe["path"])
            )
            assert is_ours


@overlays
def test_pods_are_given_the_time_that_an_end_takes(overlay: str) -> None:
    consumer = pod_of(overlay, "genrecast-consumer")
    needed = 3 * Settings().transaction_timeout_seconds + LEAVING_SECONDS
    assert consumer["terminationGracePeriodSeconds"] >= needed
    feed = pod_of(overlay, "genrecast-feed")
    [container] = feed["containers"]
    asleep = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert feed["terminationGracePeriodSeconds"] >= asleep + GRACE_SECONDS + 4 * JOIN_SECONDS


@overlays
def test_a_pod_is_a_member_of_its_own_and_back_before_it_is_given_up(overlay: str) -> None:
    pod = pod_of(overlay, "genrecast-consumer")
    [container] = pod["containers"]
    named = {e["name"]: e for e in container["env"]}["GENRECAST_GROUP_INSTANCE_ID"]
    assert named["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert int(settings_of(rendered(overlay))["GENRECAST_SESSION_TIMEOUT_SECONDS"]) >= 30


def test_there_are_never_more_consumers_than_partitions_as_they_are_made() -> None:
    text = (ROOT / "kubernetes/components/keda/scaled-object.yaml").read_text()
    spec = next(yaml.safe_load_all(text))["spec"]
    assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] <= DEFAULT_PARTITIONS
    assert spec["triggers"][0]["metadata"]["allowIdleConsumers"] == "false"
