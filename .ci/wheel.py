"""Hold a wheel against a machine that has nothing else: built, installed, used, far from here.

    .venv/bin/python .ci/wheel.py            builds one of this checkout
    .venv/bin/python .ci/wheel.py dist/*.whl takes this one

The environment is new, holds what uv.lock names and no checkout is in reach: what the wheel lacks,
such as the shipped weights, is missed here.
"""

import json
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from running import ROOT, StepFailedError, find_uv, inherited, run

HOUR_MS: Final = 3_600_000

START_MS: Final = 1_767_571_200_000
"""Where the clicks begin: Monday, 2026-01-05 00:00 UTC."""

LOAD_COMMANDS: Final = """
import click
from genrecast.cli import COMMANDS, cli
assert len(COMMANDS) > 10
for name in COMMANDS:
    cli.get_command(click.Context(cli), name)
"""
"""Imports whatever any command is made of."""


class CheckFailedError(Exception):
    """The wheel is not fit to be given out; the message says why."""


def build(folder: Path) -> Path:
    """Build a wheel of the checkout."""
    run(find_uv(), "build", "--quiet", "--wheel", "--out-dir", folder, environment=inherited())
    [wheel] = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel and what the lock names into a new environment; return its programs."""
    environment, wanted = folder / "environment", folder / "requirements.txt"
    uv = find_uv()
    locked = run(uv, "export", "--quiet", "--locked", "--no-dev", "--no-emit-project")
    wanted.write_text(locked, encoding="utf-8")
    run(uv, "venv", "--quiet", "--python", sys.executable, environment, cwd=folder)
    python = environment / "bin/python"
    run(uv, "pip", "install", "--quiet", "--python", python, "--requirements", wanted, cwd=folder)
    # Without looking for anything else: what it needs and the lock has not would be missed.
    run(uv, "pip", "install", "--quiet", "--python", python, "--no-deps", wheel, cwd=folder)
    run(uv, "pip", "check", "--python", python, cwd=folder)
    return environment / "bin"


def make_clicks() -> Iterator[dict[str, object]]:
    """Yield three days of clicks, more of them in the evening."""
    for hour in range(72):
        for number in range(1 + hour % 24 // 6):
            yield {
                "event_id": f"{hour}-{number}", "event_time": START_MS + hour * HOUR_MS + number,
                "user_id": "u1", "show_id": "s1", "genres": ["crime"],
            }  # fmt: skip


def use(programs: Path, folder: Path, version: str) -> None:
    """Use what was installed, where nothing else is.

    Raises:
        CheckFailedError: It is another version, or does not work.
    """
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}

    def genrecast(*words: object) -> str:
        return run(programs / "genrecast", *words, cwd=folder, environment=environment)

    told = genrecast("--version").strip()
    if told != f"genrecast, version {version}":
        raise CheckFailedError(f"it says {told!r}, not that it is {version}")
    genrecast("--help")
    run(programs / "python", "-c", LOAD_COMMANDS, cwd=folder, environment=environment)
    genrecast("schema", "--out", folder / "contracts")
    clicks = folder / "clicks.jsonl"
    clicks.write_text("\n".join(map(json.dumps, make_clicks())), encoding="utf-8")
    genrecast(
        "backtest", "--data", clicks, "--bucket", "1h", "--as-shipped", "--origins", 1,
        "--window-buckets", 48, "--out", folder / "scores.json",
    )  # fmt: skip
    if '"lstm' not in (folder / "scores.json").read_text(encoding="utf-8"):
        raise CheckFailedError("no LSTM came out of the wheel")


def main(arguments: list[str]) -> int:
    """Check the wheel that is named, or one of this checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with tempfile.TemporaryDirectory(prefix="genrecast-wheel-") as name:
        folder = Path(name)
        try:
            wheel = Path(arguments[0]).resolve() if arguments else build(folder / "dist")
            programs = install(wheel, folder)
            elsewhere = folder / "elsewhere"
            elsewhere.mkdir()
            use(programs, elsewhere, project["version"])
        except (CheckFailedError, StepFailedError) as error:
            sys.stderr.write(f"{error}\n")
            return 1
    sys.stdout.write(f"{wheel.name}: installs, and works with nothing else\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
