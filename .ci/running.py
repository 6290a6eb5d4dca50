"""Commands as the scripts beside this run them."""

import os
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]

STEP_SECONDS: Final = 3_600
"""How long a command may take, seconds: an image fetches TensorFlow."""

TOLD_CHARACTERS: Final = 3_000
"""How much of what a failed command said is passed on."""


class StepFailedError(Exception):
    """A command failed; the message is what it said."""


def run(
    *command: object,
    cwd: Path = ROOT,
    environment: dict[str, str] | None = None,
    with_errors: bool = False,
) -> str:
    """Run a command; return what it prints.

    Args:
        command: Its words.
        cwd: Where it runs.
        environment: All of its environment; this process's own when None.
        with_errors: Return what it prints to stderr as well.

    Raises:
        StepFailedError: It fails.
    """
    words = [str(word) for word in command]
    done = subprocess.run(  # noqa: S603 (our own words)
        words, cwd=cwd, env=environment, capture_output=True, text=True, check=False,
        timeout=STEP_SECONDS,
    )  # fmt: skip
    if done.returncode:
        told = (done.stdout + done.stderr)[-TOLD_CHARACTERS:]
        raise StepFailedError(f"{' '.join(words)}: exit {done.returncode}\n{told}")
    return done.stdout + done.stderr if with_errors else done.stdout


def find_uv() -> Path:
    """Return the uv that the Makefile has fetched.

    Raises:
        StepFailedError: There is none yet.
    """
    for found in ROOT.glob(".cache/uv-*/bin/uv"):
        return found
    raise StepFailedError("there is no uv in .cache: run make install")


def inherited(**added: str) -> dict[str, str]:
    """Return this process's environment without its virtual environment, and what is added."""
    own = os.environ.items()  # noqa: TID251 (no setting of ours)
    kept = {name: value for name, value in own if name != "VIRTUAL_ENV"}
    return kept | added
