"""genrecast as somebody uses it who has nothing else: the check of wheel and image."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

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

Run = Callable[..., str]
"""Runs `program`, `genrecast` or `python`, with words in a folder; returns what it prints."""


class CheckFailedError(Exception):
    """What was made is not fit to be given out; the message says why."""


def make_clicks() -> Iterator[dict[str, object]]:
    """Yield three days of clicks, more of them in the evening."""
    for hour in range(72):
        for number in range(1 + hour % 24 // 6):
            yield {
                "event_id": f"{hour}-{number}", "event_time": START_MS + hour * HOUR_MS + number,
                "user_id": "u1", "show_id": "s1", "genres": ["crime"],
            }  # fmt: skip


def use(run: Run, folder: Path, version: str) -> None:
    """Use genrecast: version, every command's modules, the contracts, the shipped weights.

    Args:
        run: Runs a program in `folder`, where that finds it.
        folder: Where files are read and written.
        version: What it should be.

    Raises:
        CheckFailedError: It is another version, or does not work.
    """
    told = run("genrecast", "--version").strip()
    if told != f"genrecast, version {version}":
        raise CheckFailedError(f"it says {told!r}, not that it is {version}")
    run("genrecast", "--help")
    run("python", "-c", LOAD_COMMANDS)
    run("genrecast", "schema", "--out", folder / "contracts")
    clicks = folder / "clicks.jsonl"
    clicks.write_text("\n".join(map(json.dumps, make_clicks())), encoding="utf-8")
    run(
        "genrecast", "backtest", "--data", clicks, "--bucket", "1h", "--as-shipped",
        "--origins", 1, "--window-buckets", 48, "--out", folder / "scores.json",
    )  # fmt: skip
    if '"lstm' not in (folder / "scores.json").read_text(encoding="utf-8"):
        raise CheckFailedError("no LSTM came out of it")
