"""Rehearse a release: all of it, on a throw-away clone of this commit with a tag of its own.

    .venv/bin/python .ci/rehearse.py [options of release.py]

The changelog's *Unreleased* becomes the version that pyproject.toml says. Nothing is left, the
image is removed as well.
"""

import sys
import tempfile
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from running import ROOT, StepFailedError, find_uv, run

REPOSITORY: Final = "genrecast-rehearsal"
"""The image's name: that of a real release of the version is left alone."""

NOBODY: Final = (
    "-c", "user.name=Rehearsal", "-c", "user.email=rehearsal@localhost",
    "-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false",
)  # fmt: skip
"""Who commits and tags."""


def tagged_clone(folder: Path) -> str:
    """Clone this checkout's commit and make a release of it; return its version."""
    run("git", "clone", "--quiet", "--no-tags", ROOT, folder)
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = str(project["version"])
    changelog = folder / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    if f"## [{version}]" not in text:
        told = text.replace("## [Unreleased]", f"## [Unreleased]\n\n## [{version}] - rehearsal", 1)
        changelog.write_text(told, encoding="utf-8")
        run("git", *NOBODY, "commit", "--quiet", "--all", "--message", version, cwd=folder)
    run("git", *NOBODY, "tag", "--message", version, f"v{version}", cwd=folder)
    return version


def bring_uv(folder: Path) -> None:
    """Have a clone find the uv that this checkout has."""
    there = find_uv().parents[1]
    (folder / ".cache").mkdir()
    (folder / ".cache" / there.name).symlink_to(there)


def rehearse(folder: Path, options: Sequence[str]) -> str:
    """Make a release in `folder`; return what there is to say of it.

    Raises:
        StepFailedError: There would be none.
    """
    version = tagged_clone(folder)
    bring_uv(folder)
    script = folder / ".ci/release.py"
    try:
        run(sys.executable, script, "--image", REPOSITORY, *options, cwd=folder)
        run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=folder / "dist")
    finally:
        # Where it did not come as far as an image, there is none.
        with suppress(StepFailedError, FileNotFoundError):
            run("docker", "image", "rm", "--force", f"{REPOSITORY}:{version}")
    made = sorted((folder / "dist").iterdir())
    lines = [f"{path.stat().st_size:>11,} bytes  {path.name}" for path in made]
    told = [path.read_text(encoding="utf-8").strip() for path in made if path.suffix == ".txt"]
    return "\n".join([*lines, *told])


def main(options: Sequence[str]) -> int:
    """Rehearse a release of this checkout's commit."""
    with tempfile.TemporaryDirectory(prefix="genrecast-rehearsal-") as name:
        try:
            told = rehearse(Path(name) / "genrecast", options)
        except StepFailedError as error:
            sys.stderr.write(f"no release would come of this commit: {error}\n")
            return 1
    sys.stdout.write(f"{told}\nrehearsed: nothing of it is kept\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
