"""An image is of a commit, has its labels, and is not root's; a rehearsal is a release."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ci.scripts import git, load

image = load("image")
rehearse = load("rehearse")
release = load("release")

DOCKER = """#!/bin/sh
for context; do :; done
ls -A "$context" >"$TOLD/context"
stat -c %a "$context/pyproject.toml" >"$TOLD/mode"
printf '%s\\n' "$@" >"$TOLD/words"
"""
"""Notes what it is told, and what is in the folder that it is to build of."""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "told"
    folder.mkdir()
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("TOLD", str(folder))
    return folder


def test_an_image_is_built_of_what_is_committed_and_nothing_beside_it(
    checkout: Path, told: Path
) -> None:
    (checkout / ".env").write_text("GENRECAST_KAFKA_PASSWORD=x")
    image.build(checkout, "genrecast:1.2.3", "1.2.3", ["--network=host"])
    assert (told / "context").read_text().split() == ["CHANGELOG.md", "pyproject.toml"]
    assert (told / "mode").read_text().strip() == "644", "as a checkout has it: layers are reused"
    words = (told / "words").read_text().splitlines()
    assert words[:3] == ["build", "--tag", "genrecast:1.2.3"]
    assert "--network=host" in words


def test_an_image_is_labelled_with_its_version_and_commit(checkout: Path, told: Path) -> None:
    image.build(checkout, "genrecast:1.2.3", "1.2.3", [])
    asked = ["git", "log", "-1", "--format=%H"]
    commit = subprocess.run(asked, cwd=checkout, capture_output=True, text=True).stdout.strip()
    words = (told / "words").read_text().splitlines()
    assert "--label=org.opencontainers.image.version=1.2.3" in words
    assert f"--label=org.opencontainers.image.revision={commit}" in words
    assert any(w.startswith("--label=org.opencontainers.image.created=20") for w in words)


def config(**changed: object) -> dict[str, Any]:
    labels = {image.LABEL + label: "x" for label in image.TOLD_LABELS}
    return {"User": "10001", "Labels": labels} | changed


def test_an_image_with_all_labels_and_a_user_is_taken() -> None:
    image.check_told(config())


@pytest.mark.parametrize("user", ["", "0", "root", "genrecast"])
def test_an_image_of_root_or_of_a_name_alone_is_refused(user: str) -> None:
    with pytest.raises(image.CheckFailedError, match="not as a user's number"):
        image.check_told(config(User=user))


def test_an_image_without_a_label_is_refused() -> None:
    labels = config()["Labels"]
    del labels["org.opencontainers.image.revision"]
    with pytest.raises(image.CheckFailedError, match="lacks the labels revision"):
        image.check_told(config(Labels=labels))


def test_an_image_without_any_label_is_refused() -> None:
    with pytest.raises(image.CheckFailedError, match="lacks the labels title, "):
        image.check_told(config(Labels=None))


@pytest.mark.parametrize("heading", ["## [Unreleased]", "## [1.2.3] - 2026-11-26"])
def test_a_rehearsal_is_of_a_clone_that_is_a_release(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heading: str
) -> None:
    (checkout / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n\n- x\n")
    git(checkout, "commit", "--quiet", "--allow-empty", "-am", "two")
    git(checkout, "tag", "v1.2.2")
    monkeypatch.setattr(rehearse, "ROOT", checkout)
    clone = tmp_path / "clone"
    assert rehearse.tagged_clone(clone) == "1.2.3"
    assert release.version_of(clone) == "1.2.3"
    with pytest.raises(release.ReleaseRefusedError):
        release.version_of(checkout)
