"""A release is one commit, clean, tagged with its version, and in the changelog."""

import hashlib
from pathlib import Path

import pytest

from tests.unit.ci.scripts import git, load

release = load("release")


def test_a_clean_commit_with_its_tag_is_a_release(checkout: Path) -> None:
    git(checkout, "tag", "v1.2.3")
    assert release.version_of(checkout) == "1.2.3"


def test_without_a_tag_it_is_none(checkout: Path) -> None:
    with pytest.raises(release.ReleaseRefusedError, match=r"must be v1\.2\.3, but it has no tag"):
        release.version_of(checkout)


def test_with_the_tag_of_another_version_it_is_none(checkout: Path) -> None:
    git(checkout, "tag", "v1.2.4")
    with pytest.raises(release.ReleaseRefusedError, match=r"its tags are v1\.2\.4"):
        release.version_of(checkout)


def test_a_tag_on_an_earlier_commit_does_not_count(checkout: Path) -> None:
    git(checkout, "tag", "v1.2.3")
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", "two")
    with pytest.raises(release.ReleaseRefusedError, match="it has no tag"):
        release.version_of(checkout)


@pytest.mark.parametrize("name", ["pyproject.toml", "new.py"])
def test_with_a_changed_or_a_new_file_it_is_none(checkout: Path, name: str) -> None:
    git(checkout, "tag", "v1.2.3")
    with (checkout / name).open("a") as stream:
        stream.write("\n")
    with pytest.raises(release.ReleaseRefusedError, match=f"such as {name}"):
        release.version_of(checkout)


def test_without_a_section_in_the_changelog_it_is_none(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n")
    git(checkout, "commit", "--quiet", "-am", "two")
    git(checkout, "tag", "v1.2.3")
    with pytest.raises(release.ReleaseRefusedError, match=r"no section ## \[1\.2\.3\]"):
        release.version_of(checkout)


def test_checksums_are_as_sha256sum_reads_them(tmp_path: Path) -> None:
    made = tmp_path / "genrecast-1.2.3.whl"
    made.write_bytes(b"wheel")
    release.write_checksums(tmp_path, [made])
    [line] = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert line == f"{hashlib.sha256(b'wheel').hexdigest()}  genrecast-1.2.3.whl"
