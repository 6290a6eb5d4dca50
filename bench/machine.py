"""What the figures were measured on."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Final

from bench.results import Cell

PACKAGES: Final = ("kafka-python", "redis", "tensorflow", "pydantic")
"""Packages whose versions the figures depend on most."""


def describe_machine() -> dict[str, Cell]:
    """Return processor, cores, load and versions."""
    found: dict[str, Cell] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
    }
    return found | {name: importlib.metadata.version(name) for name in PACKAGES}


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()
