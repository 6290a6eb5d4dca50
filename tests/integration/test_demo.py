"""The demo as a new user runs it, where no terminal is."""

import contextlib
import re
import subprocess
import sys
import urllib.request

import psutil
import pytest


@pytest.mark.services
def test_the_demo_runs_adds_up_and_leaves_nothing_running() -> None:
    command = [
        sys.executable,
        "-m",
        "genrecast",
        "demo",
        "--seconds",
        "15",
        "--rate",
        "300",
        "--no-browser",
    ]
    children: set[psutil.Process] = set()
    lines = []
    page = b""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            lines.append(line)
            if address := re.search(r"The page: (http://\S+)", line):
                with urllib.request.urlopen(address[1], timeout=30) as response:
                    page = response.read()
            with contextlib.suppress(psutil.NoSuchProcess):  # the last lines are read after its end
                children |= set(psutil.Process(demo.pid).children(recursive=True))
    text = "".join(lines)
    assert demo.returncode == 0, text
    assert "Exact: every event is accounted for" in text
    assert b"<title>Genres" in page
    assert len(children) >= 5, "Kafka, Redis, consumer, simulator and service were seen"
    assert not [child for child in children if is_alive(child)]


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
