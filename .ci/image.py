"""Build the image out of a commit, and hold it against a machine that grants it nothing.

    .venv/bin/python .ci/image.py NAME     checks an image of this checkout's version

It is used as any user but root, on a read-only file system but for /tmp, without a capability and
without a network; what it starts by itself ends by SIGTERM, in order.
"""

import json
import os
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from running import ROOT, StepFailedError, run
from usage import CheckFailedError, use

NOTHING_GRANTED: Final = (
    "--network", "none", "--read-only", "--tmpfs", "/tmp",  # noqa: S108 (the container's own)
    "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
)  # fmt: skip
"""As compose and the manifests for Kubernetes have it, and no network."""

STRANGER: Final = 54_321
"""A user id that the image does not know: some clusters choose one."""

LABEL: Final = "org.opencontainers.image."

TOLD_LABELS: Final = ("title", "description", "licenses", "version", "revision", "created")
"""Labels that a released image has."""

PATIENCE_SECONDS: Final = 120
"""How long a container may take to begin or end, seconds: the machine may be busy."""


def build(root: Path, name: str, version: str, options: Sequence[str]) -> None:
    """Build an image of what is committed, whatever else lies there.

    Args:
        root: The checkout.
        name: The image's.
        version: Of genrecast.
        options: More of them for `docker build`.
    """
    revision, committed = run("git", "log", "-1", "--format=%H %ct", cwd=root).split()
    created = datetime.fromtimestamp(int(committed), UTC).isoformat()
    labels = {"version": version, "revision": revision, "created": created}
    with tempfile.TemporaryDirectory(prefix="genrecast-image-") as folder:
        context, archive = Path(folder) / "context", Path(folder) / "context.tar"
        # The modes of a checkout: with others the layers of an earlier build are of no use.
        run(
            "git", "-c", "tar.umask=0022", "archive", "--output", archive, revision,
            cwd=root,
        )  # fmt: skip
        with tarfile.open(archive) as tar:
            tar.extractall(context, filter="data")
        words = [f"--label={LABEL}{key}={value}" for key, value in labels.items()]
        run("docker", "build", "--tag", name, *words, *options, context)


def described(name: str) -> dict[str, Any]:
    """Return what the engine knows of an image."""
    found: dict[str, Any] = json.loads(run("docker", "image", "inspect", name))[0]
    return found


def check(name: str, version: str) -> None:
    """Use an image with nothing granted.

    Raises:
        CheckFailedError: It lacks something, or does not work.
    """
    check_told(described(name)["Config"])
    # What it starts by itself takes seconds until it can be ended.
    with started(name) as container:
        use_contained(name, version)
        check_end(container)


def check_told(config: dict[str, Any]) -> None:
    """Look at what an image says of itself.

    Raises:
        CheckFailedError: It lacks a label, or is root's.
    """
    labels = config["Labels"] or {}
    missing = [label for label in TOLD_LABELS if not labels.get(LABEL + label)]
    if missing:
        raise CheckFailedError(f"it lacks the labels {', '.join(missing)}")
    # Kubernetes sees that it is not root by the number alone.
    if not config["User"].isdecimal() or int(config["User"]) == 0:
        raise CheckFailedError(f"it runs as {config['User'] or 'root'!r}, not as a user's number")


def use_contained(name: str, version: str) -> None:
    """Use an image as any user, each command in a container of its own.

    Raises:
        CheckFailedError: It is another version, or does not work.
    """
    # One that may write to the folder, or, where that is root, one whom the folder is opened for.
    user = os.getuid() or STRANGER
    with tempfile.TemporaryDirectory(prefix="genrecast-image-") as created:
        folder = Path(created)
        folder.chmod(0o777)
        place = ["--user", f"{user}:{user}", "--volume", f"{folder}:{folder}", "--workdir", folder]

        def run_contained(program: str, *words: object) -> str:
            chosen = ["--rm", *NOTHING_GRANTED, *place, "--entrypoint", program]
            return run("docker", "run", *chosen, name, *words)

        use(run_contained, folder, version)


def check_end(container: str) -> None:
    """End a consumer once it waits for a broker.

    Raises:
        CheckFailedError: It does not wait, or does not end in order.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "connecting to Kafka" not in run("docker", "logs", container, with_errors=True):
        if time.monotonic() > deadline or state(container)["Status"] != "running":
            raise CheckFailedError("it does not wait for a broker that is not there")
        time.sleep(0.5)
    run("docker", "stop", "--time", PATIENCE_SECONDS, container)
    status = state(container)["ExitCode"]
    if status:
        raise CheckFailedError(f"SIGTERM ends it with exit {status}")


@contextmanager
def started(name: str) -> Iterator[str]:
    """Start what an image starts by itself, with nothing granted; yield its id, remove it."""
    container = run("docker", "run", "--detach", *NOTHING_GRANTED, name).strip()
    try:
        yield container
    finally:
        run("docker", "rm", "--force", container)


def state(container: str) -> dict[str, Any]:
    """Return how a container does."""
    found: dict[str, Any] = json.loads(run("docker", "inspect", container))[0]["State"]
    return found


def main(arguments: Sequence[str]) -> int:
    """Check the image that is named."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [name] = arguments
    try:
        check(name, project["version"])
    except (CheckFailedError, StepFailedError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    sys.stdout.write(f"{name}: works with nothing granted\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
