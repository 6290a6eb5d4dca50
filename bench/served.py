"""A deployment with its page: consumer, simulator and service, until the block ends."""

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psutil

from bench.lab import BenchError, Lab, wait_until
from stack.ports import pick_port
from tests.browser.chromium import find_chromium

PARTITIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Served:
    """Where the page is, and the process that serves it."""

    url: str
    service: "subprocess.Popen[bytes]"


@contextmanager
def served(lab: Lab, traffic: Sequence[object], **options: object) -> Iterator[Served]:
    """Serve forecasts of simulated traffic.

    Args:
        lab: Where it runs.
        traffic: Options of `genrecast simulate`.
        options: Settings of the deployment.

    Raises:
        BenchError: Nothing is served in time.
    """
    with lab.deployment(partitions=PARTITIONS, **options) as deployed:
        deployed.start("consume")
        port = pick_port()
        service = deployed.start("serve", f"--serve-port={port}")
        url = f"http://127.0.0.1:{port}/"
        deployed.start("simulate", *traffic)
        wait_until(lambda: _is_ready(url), "forecasts at the service", every=0.5)
        yield Served(url, service)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}readyz", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def chromium_path() -> str:
    """Return the browser's path.

    Raises:
        BenchError: There is none.
    """
    path = find_chromium()
    if path is None:
        raise BenchError("no chromium on the path; Debian: apt-get install chromium")
    return path


def browser_processes() -> dict[str, list[psutil.Process]]:
    """Return the processes of the browser that this process started, by kind."""
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.Process().children(recursive=True):
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if not command or "chrom" not in command[0]:
            continue
        kinds = [one.removeprefix("--type=") for one in command if one.startswith("--type=")]
        found.setdefault(kinds[0] if kinds else "browser", []).append(process)
    return found
