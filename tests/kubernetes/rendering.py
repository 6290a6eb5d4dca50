"""Overlays built by kubectl, as a cluster would get them."""

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]

OVERLAYS: Final = ("trial", "production")

WORKLOADS: Final = {
    "StatefulSet": ("spec", "template", "spec"),
    "Deployment": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where the pod is in what makes pods."""

Document = dict[str, Any]


def kubectl() -> str:
    """Return kubectl; without it a test is skipped, in CI it fails."""
    found = shutil.which("kubectl")
    if found is not None:
        return found
    reason = "kubectl is not installed (.ci/kubectl.sh fetches it)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@functools.cache
def _built(overlay: str) -> str:
    done = subprocess.run(
        [kubectl(), "kustomize", f"kubernetes/overlays/{overlay}"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "kustomize warns"
    return done.stdout


def rendered(overlay: str) -> list[Document]:
    """Return an overlay's objects."""
    return list(yaml.safe_load_all(_built(overlay)))


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    return [document for document in documents if document["kind"] == kind]


def named(documents: list[Document], kind: str, name: str) -> Document:
    [found] = [d for d in of_kind(documents, kind) if d["metadata"]["name"] == name]
    return found


def pods(documents: list[Document]) -> Iterator[tuple[Document, Document]]:
    """Yield what makes pods, and each one's pod."""
    for document in documents:
        if document["kind"] in WORKLOADS:
            pod: Any = document
            for step in WORKLOADS[document["kind"]]:
                pod = pod[step]
            yield document, pod


def labels_of(workload: Document) -> dict[str, str]:
    """Return the labels of the pods that something makes."""
    place: Any = workload
    for step in WORKLOADS[workload["kind"]][:-1]:
        place = place[step]
    labels: dict[str, str] = place["metadata"]["labels"]
    return labels


def settings_of(documents: list[Document]) -> dict[str, str]:
    """Return the one ConfigMap of settings."""
    [found] = of_kind(documents, "ConfigMap")
    data: dict[str, str] = found["data"]
    return data
