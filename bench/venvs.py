"""Virtual environments of the peers, under `.cache/peers`, made on demand."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.lab import ROOT

HOME: Final = ROOT / ".cache" / "peers"
"""One environment per peer."""

REQUIREMENTS: Final = Path(__file__).parent / "peers"
"""Holds `requirements-NAME.txt`."""

PATIENCE_SECONDS: Final = 300.0
"""How long installing one peer may take."""


class PeerMissingError(Exception):
    """A peer cannot be installed here; the message is the reason."""


def python_of(name: str) -> str:
    """Return the Python of a peer's environment, made or brought up to date when needed.

    Raises:
        PeerMissingError: It cannot be made.
    """
    wanted = (REQUIREMENTS / f"requirements-{name}.txt").read_text(encoding="utf-8")
    wanted += f"# Python {sys.version}\n"  # which build counts too: all are to have the same
    folder = HOME / name
    stamp, python = folder / "installed.txt", folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        uv = find_uv()
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        file = REQUIREMENTS / f"requirements-{name}.txt"
        _run(uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(file))
        stamp.write_text(wanted, encoding="utf-8")
    return str(python)


def find_uv() -> str:
    """Return uv: the one that the Makefile fetched, or any.

    Raises:
        PeerMissingError: There is none.
    """
    fetched = sorted((ROOT / ".cache").glob("uv-*/bin/uv"))
    found = str(fetched[-1]) if fetched else shutil.which("uv")
    if found is None:
        raise PeerMissingError("there is no uv to install it with: `make install` fetches it")
    return found


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissingError(f"{command[1]}: {error}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        raise PeerMissingError(" ".join(line.strip() for line in lines)[:300])
