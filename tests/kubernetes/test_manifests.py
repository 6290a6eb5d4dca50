"""Manifests are what Kubernetes takes, hold together, and give pods no more than they need."""

import json
import re
import tomllib
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.kubernetes.rendering import (
    OVERLAYS,
    ROOT,
    Document,
    labels_of,
    named,
    of_kind,
    pods,
    rendered,
    settings_of,
)

SCHEMA_VERSIONS = ("1.31", "1.37")
"""Releases of Kubernetes whose schemas are asked: an old one and a new one."""

BROUGHT_BY_OTHERS = {"genrecast-secrets", "genrecast-authorities"}
"""What the page tells to make by hand."""

pytestmark = pytest.mark.parametrize("overlay", OVERLAYS)


@pytest.mark.parametrize("version", SCHEMA_VERSIONS)
def test_every_object_is_as_the_schema_of_kubernetes_says(overlay: str, version: str) -> None:
    known = [d for d in rendered(overlay) if not d["apiVersion"].startswith("keda.sh/")]
    assert len(known) >= 9
    for document in known:
        kubernetes_validate.validate(document, version, strict=True)


def test_every_object_of_keda_is_as_its_documentation_says(overlay: str) -> None:
    kinds = json.loads((ROOT / "tests/kubernetes/keda.schema.json").read_text())["$defs"]
    for document in rendered(overlay):
        if document["apiVersion"].startswith("keda.sh/"):
            jsonschema.validate(document, {**kinds[document["kind"]], "$defs": kinds})


NAMED_BY: dict[str, tuple[str, str]] = {
    "configMapRef": ("ConfigMap", "name"),
    "configMap": ("ConfigMap", "name"),
    "secret": ("Secret", "secretName"),
    "authenticationRef": ("TriggerAuthentication", "name"),
    "secretTargetRef": ("Secret", "name"),
    "configMapTargetRef": ("ConfigMap", "name"),
}
"""Fields that name an object: its kind, and in which field of theirs the name is."""

NAMES = {"serviceAccountName": "ServiceAccount", "serviceName": "Service"}
"""Fields that are the name of an object of this kind."""


def references(value: Any) -> set[tuple[str, str]]:  # noqa: ANN401
    """Return what an object names: kind and name."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    found = {(kind, value[key]) for key, kind in NAMES.items() if key in value}
    for key, (kind, field) in NAMED_BY.items():
        named_here = value.get(key, [])
        for one in named_here if isinstance(named_here, list) else [named_here]:
            found.add((kind, one[field]))
    return found.union(*map(references, value.values()))


def test_whatever_is_named_is_there_or_told_to_be_made(overlay: str) -> None:
    documents = rendered(overlay)
    there = {(d["kind"], d["metadata"]["name"]) for d in documents}
    page = (ROOT / "docs/kubernetes.md").read_text()
    named_ones = set().union(*map(references, documents))
    assert {kind for kind, _ in named_ones} >= {"ConfigMap", "Service", "ServiceAccount"}
    for kind, name in named_ones - there:
        assert name in BROUGHT_BY_OTHERS, f"{kind} {name}"
        assert f"create {kind.lower()} " in page.replace("secret generic", "secret ")
        assert name in page


def test_selectors_choose_the_pods_of_one_workload(overlay: str) -> None:
    documents = rendered(overlay)
    labels = {w["metadata"]["name"]: labels_of(w) for w, _ in pods(documents)}
    assert len(labels) == 3

    def chosen(wanted: dict[str, str]) -> set[str]:
        return {name for name, has in labels.items() if wanted.items() <= has.items()}

    for document in documents:
        name, selector = document["metadata"]["name"], document.get("spec", {}).get("selector")
        if selector is not None:
            wanted = selector.get("matchLabels", selector)
            assert chosen(wanted) == {name}, document["kind"]
    [policy] = of_kind(documents, "NetworkPolicy")
    assert chosen(policy["spec"]["podSelector"]["matchLabels"]) == set(labels)


def test_pods_have_no_rights_and_no_disk_but_a_bounded_scratch(overlay: str) -> None:
    [user] = re.findall(r"^USER (\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for workload, pod in pods(rendered(overlay)):
        name = workload["metadata"]["name"]
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": int(user),
            "runAsGroup": int(user),
            "fsGroup": int(user),
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        writable = {m["name"] for m in container["volumeMounts"] if not m.get("readOnly")}
        [scratch] = [v for v in pod["volumes"] if v["name"] in writable]
        [mount] = [m for m in container["volumeMounts"] if m["name"] == scratch["name"]]
        assert mount["mountPath"] == "/tmp", "the image's home and working directory"
        limit = container["resources"]["limits"]["ephemeral-storage"]
        assert mebibytes(scratch["emptyDir"]["sizeLimit"]) < mebibytes(limit)


def mebibytes(quantity: str) -> int:
    number, unit = int(quantity[:-2]), quantity[-2:]
    return number * {"Mi": 1, "Gi": 1024}[unit]


def test_images_are_of_this_version(overlay: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for _, pod in pods(rendered(overlay)):
        [container] = pod["containers"]
        assert container["image"].rpartition("/")[2] == f"genrecast:{version}"


def test_what_is_evicted_together_is_bounded_for_all_that_serves(overlay: str) -> None:
    documents = rendered(overlay)
    for name in ("genrecast-consumer", "genrecast-feed"):
        budget = named(documents, "PodDisruptionBudget", name)["spec"]
        assert budget["maxUnavailable"] == 1
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_secrets_are_files_and_in_no_object(overlay: str) -> None:
    documents = rendered(overlay)
    assert not of_kind(documents, "Secret")
    settings = settings_of(documents)
    assert not [name for name in settings if re.search(r"(PASSWORD|TOKEN)$", name)]
    for workload, pod in pods(documents):
        [container] = pod["containers"]
        mounts = [m["mountPath"] for m in container["volumeMounts"] if m.get("readOnly")]
        given = settings | {e["name"]: e.get("value", "") for e in container.get("env", ())}
        files = [value for name, value in given.items() if name.endswith("_FILE")]
        assert bool(files) == (overlay == "production")
        for path in files:
            assert any(path.startswith(f"{m}/") for m in mounts), workload["metadata"]["name"]


def test_every_mounted_secret_holds_the_file_that_a_setting_names(overlay: str) -> None:
    for _, pod in pods(rendered(overlay)):
        [container] = pod["containers"]
        folders = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
        given = {e["name"]: e.get("value", "") for e in container.get("env", ())}
        values = {*settings_of(rendered(overlay)).values(), *given.values()}
        for volume in pod["volumes"]:
            for item in volume.get("secret", {}).get("items", ()):
                assert f"{folders[volume['name']]}/{item['path']}" in values


def test_the_lag_that_is_looked_at_is_that_of_the_settings(overlay: str) -> None:
    documents = rendered(overlay)
    scaled: list[Document] = of_kind(documents, "ScaledObject")
    assert bool(scaled) == (overlay == "production")
    settings = settings_of(documents)
    for document in scaled:
        [trigger] = document["spec"]["triggers"]
        looked_at = trigger["metadata"]
        assert looked_at["bootstrapServers"] == settings["GENRECAST_KAFKA_BOOTSTRAP"]
        assert looked_at["consumerGroup"] == f"genrecast-{settings['GENRECAST_APP']}"
        assert looked_at["topic"] == settings["GENRECAST_TOPIC_CLICKS"]
        target = document["spec"]["scaleTargetRef"]
        assert "replicas" not in named(documents, target["kind"], target["name"])["spec"]
