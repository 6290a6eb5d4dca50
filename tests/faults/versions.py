"""An earlier version of this project as a source tree, run beside today's by the same Python."""

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest

from contracts.link_settings import ENVIRONMENT_PREFIX

ROOT: Final = Path(__file__).parents[2]

EARLIER: Final = "86fefd53134bdb7acadc75f4bbf41862dd4f7567"
"""The version that a rolling upgrade begins with: before alerts, tastes and impressions."""

FOLDERS: Final = ("consumer", "contracts", "feed", "genrecast", "model", "producer_sim", "stack",
                  "state")  # fmt: skip


def earlier_tree(folder: Path) -> Path:
    """Unpack the earlier version; skip where the checkout has no history, fail so in CI."""
    archive = subprocess.run(
        ["git", "-c", "safe.directory=*", "archive", EARLIER, *FOLDERS],
        cwd=ROOT,
        capture_output=True,
    )
    if archive.returncode:
        reason = f"the checkout's history lacks {EARLIER[:7]}: git fetch --unshallow"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


@dataclass(slots=True)
class EarlierConsumers:
    """Processes of the earlier version's `consume`."""

    tree: Path
    log: Path
    options: dict[str, object]
    processes: list["subprocess.Popen[bytes]"]

    def start(self) -> "subprocess.Popen[bytes]":
        """Start one; settings that it does not know yet are nothing to it."""
        own = {f"{ENVIRONMENT_PREFIX}{k.upper()}": str(v) for k, v in self.options.items()}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "genrecast", "consume"],
                cwd=self.tree, env={**os.environ, **own}, stdout=log, stderr=log,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def end(self) -> None:
        """Kill what runs."""
        for process in self.processes:
            process.kill()
            process.wait()
