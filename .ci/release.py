"""Make a release out of a tag: wheel, sdist, SBOM, image, checksums.

    git tag v0.1.0
    .venv/bin/python .ci/release.py              into dist/
    .venv/bin/python .ci/release.py --no-image   without the image
    .venv/bin/python .ci/release.py --image registry.example.org/genrecast

Refuses a tree with changes, a commit without its version's tag, and a version that the changelog
does not have. Uploads nothing. docs/releasing.md says what comes before and after.
"""

import argparse
import hashlib
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import image
from running import ROOT, StepFailedError, find_uv, inherited, run
from usage import CheckFailedError

EXIT_REFUSED: Final = 2
"""Exit status when what is there is no release."""


class ReleaseRefusedError(Exception):
    """What is there is no release; the message says what to do."""


def version_of(root: Path) -> str:
    """Return the version that a checkout says it is.

    Raises:
        ReleaseRefusedError: It has changes, another tag or none, or the changelog lacks it.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = str(project["version"])
    changed = run("git", "status", "--porcelain", cwd=root).splitlines()
    if changed:
        raise ReleaseRefusedError(
            f"{len(changed)} files are changed or new, such as {changed[0][3:]}: commit them first"
        )
    tags = run("git", "tag", "--points-at", "HEAD", cwd=root).split()
    if f"v{version}" not in tags:
        there = f"its tags are {', '.join(tags)}" if tags else "it has no tag"
        raise ReleaseRefusedError(
            f"pyproject.toml says {version}, so this commit must be v{version}, but {there}"
        )
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## \[{re.escape(version)}\]", changelog, re.MULTILINE):
        raise ReleaseRefusedError(f"CHANGELOG.md has no section ## [{version}]")
    return version


def build(root: Path, out: Path, version: str) -> list[Path]:
    """Build wheel, sdist and SBOM; return them."""
    uv = find_uv()
    # The commit's time, not today's: whoever builds it again gets the same bytes.
    epoch = run("git", "log", "-1", "--format=%ct", cwd=root).strip()
    environment = inherited(SOURCE_DATE_EPOCH=epoch)
    run(
        uv, "build", "--quiet", "--no-create-gitignore", "--out-dir", out,
        cwd=root, environment=environment,
    )  # fmt: skip
    sbom = out / f"genrecast-{version}.cdx.json"
    run(
        uv, "export", "--quiet", "--locked", "--no-dev", "--all-extras",
        "--format", "cyclonedx1.5", "--preview-features", "sbom-export",
        "--output-file", sbom, cwd=root,
    )  # fmt: skip
    return [*sorted(out.glob("*.whl")), *sorted(out.glob("*.tar.gz")), sbom]


def check_engine() -> None:
    """Look for a Docker engine, before minutes go into the rest.

    Raises:
        ReleaseRefusedError: None answers.
    """
    if shutil.which("docker") is None:
        raise ReleaseRefusedError("there is no docker to build the image with: see --no-image")
    try:
        run("docker", "version")
    except StepFailedError as error:
        raise ReleaseRefusedError(f"no Docker engine answers: see --no-image\n{error}") from None


def build_image(root: Path, out: Path, name: str, options: Sequence[str]) -> Path:
    """Build and check the image; write its name, id and size beside the rest."""
    version = name.rpartition(":")[2]
    image.build(root, name, version, options)
    image.check(name, version)
    found = image.described(name)
    told = out / f"genrecast-{version}.image.txt"
    told.write_text(f"{name} {found['Id']} {found['Size']} bytes\n", encoding="utf-8")
    return told


def write_checksums(out: Path, made: Sequence[Path]) -> None:
    """Write SHA256SUMS, as `sha256sum --check` reads it."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in made]
    (out / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")


def release(root: Path, out: Path, repository: str | None, options: Sequence[str]) -> None:
    """Make everything.

    Args:
        root: The checkout.
        out: Where it goes; what is there is removed.
        repository: Name of the image without its version; None for no image.
        options: More of them for `docker build`.

    Raises:
        ReleaseRefusedError: What is there is no release.
        CheckFailedError: What was made does not work.
    """
    version = version_of(root)
    if repository is not None:
        check_engine()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    made = build(root, out, version)
    run(sys.executable, root / ".ci/wheel.py", made[0])
    if repository is not None:
        made.append(build_image(root, out, f"{repository}:{version}", options))
    write_checksums(out, made)
    for path in (*made, out / "SHA256SUMS"):
        sys.stdout.write(f"{path}\n")


def main(arguments: Sequence[str]) -> int:
    """Make a release of the checkout that this file is in."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-image", action="store_true", help="build no image")
    parser.add_argument("--image", default="genrecast", metavar="NAME", help="without its version")
    parser.add_argument(
        "--build-option", action="append", default=[], metavar="OPTION",
        help="passed on to docker build; repeatable, as --build-option=--network=host",
    )  # fmt: skip
    asked = parser.parse_args(arguments)
    repository = None if asked.no_image else asked.image
    try:
        release(ROOT, ROOT / "dist", repository, asked.build_option)
    except (CheckFailedError, ReleaseRefusedError, StepFailedError) as error:
        sys.stderr.write(f"no release: {error}\n")
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
