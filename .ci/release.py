"""Make a release out of a tag: wheel, sdist, SBOM, image, checksums.

    git tag v0.1.0
    .venv/bin/python .ci/release.py            into dist/
    .venv/bin/python .ci/release.py --no-image without the image

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

from running import ROOT, StepFailedError, find_uv, inherited, run

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
    run(uv, "build", "--quiet", "--out-dir", out, cwd=root, environment=environment)
    sbom = out / f"genrecast-{version}.cdx.json"
    run(
        uv, "export", "--quiet", "--locked", "--no-dev", "--all-extras",
        "--format", "cyclonedx1.5", "--preview-features", "sbom-export",
        "--output-file", sbom, cwd=root,
    )  # fmt: skip
    return [*sorted(out.glob("*.whl")), *sorted(out.glob("*.tar.gz")), sbom]


def build_image(root: Path, out: Path, version: str) -> Path:
    """Build the image and write its id beside the rest."""
    if shutil.which("docker") is None:
        raise ReleaseRefusedError("there is no docker to build the image with: see --no-image")
    revision = run("git", "rev-parse", "HEAD", cwd=root).strip()
    name = f"genrecast:{version}"
    run(
        "docker", "build", "--pull", "--tag", name,
        "--label", f"org.opencontainers.image.version={version}",
        "--label", f"org.opencontainers.image.revision={revision}",
        "--label", "org.opencontainers.image.licenses=Apache-2.0",
        ".", cwd=root,
    )  # fmt: skip
    told = run("docker", "run", "--rm", "--network", "none", name, "--version", cwd=root).strip()
    if told != f"genrecast, version {version}":
        raise ReleaseRefusedError(f"the image says {told!r}")
    image = out / f"genrecast-{version}.image.txt"
    identity = run("docker", "image", "inspect", "--format", "{{.Id}}", name, cwd=root)
    image.write_text(f"{name} {identity.strip()}\n", encoding="utf-8")
    return image


def write_checksums(out: Path, made: Sequence[Path]) -> None:
    """Write SHA256SUMS, as `sha256sum --check` reads it."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in made]
    (out / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")


def release(root: Path, out: Path, *, with_image: bool) -> None:
    """Make everything.

    Raises:
        ReleaseRefusedError: What is there is no release.
    """
    version = version_of(root)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    made = build(root, out, version)
    run(sys.executable, root / ".ci/wheel.py", made[0])
    if with_image:
        made.append(build_image(root, out, version))
    write_checksums(out, made)
    for path in (*made, out / "SHA256SUMS"):
        sys.stdout.write(f"{path}\n")


def main(arguments: Sequence[str]) -> int:
    """Make a release of the checkout that this file is in."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-image", action="store_true", help="build no image")
    asked = parser.parse_args(arguments)
    try:
        release(ROOT, ROOT / "dist", with_image=not asked.no_image)
    except (ReleaseRefusedError, StepFailedError) as error:
        sys.stderr.write(f"no release: {error}\n")
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
