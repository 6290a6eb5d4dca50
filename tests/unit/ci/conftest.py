"""A checkout of a project whose version is in its changelog; it has no tag."""

from pathlib import Path

import pytest

from tests.unit.ci.scripts import git

PROJECT = '[project]\nname = "genrecast"\nversion = "1.2.3"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## [1.2.3] - 2026-11-26\n")
    git(root, "init", "--quiet")
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "one")
    return root
