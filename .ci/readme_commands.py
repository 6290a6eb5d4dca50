"""Run the commands of README.md and the start page, in order, one shell after another.

Every ```bash block stands under an HTML comment that says what CI does with it:

    <!-- ci: run -->            runs to its end, exit 0 wanted
    <!-- ci: background -->     runs beside the rest, ended by SIGTERM, exit 0 wanted
    <!-- ci: not run: WHY -->   is not run here

What a block exports, the following blocks see.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TIMEOUT_SECONDS: Final = 300
"""How long a block may run."""

STOP_SECONDS: Final = 30
"""How long a block in the background may take to end on SIGTERM."""

SETTLE_SECONDS: Final = 8
"""How long a block in the background is left to start before the next one runs."""

PAGES: Final = ("README.md", "docs/start.md")
"""Whose commands are run, when none are named."""

_BLOCK: Final = re.compile(
    r"(?:<!-- ci: (?P<action>run|background|not run: [^\n]+?) -->\n+)?```(?:bash|console|sh)\n"
    r"(?P<script>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of commands and what CI does with it; `action` is empty when it does not say."""

    action: str
    script: str


@dataclass(frozen=True, slots=True)
class Running:
    """A block in the background."""

    block: Block
    process: subprocess.Popen[bytes]


def find_blocks(text: str) -> list[Block]:
    """Return the command blocks of a Markdown text, in order."""
    return [Block(m["action"] or "", m["script"]) for m in _BLOCK.finditer(text)]


def run_block(block: Block, environment: dict[str, str]) -> dict[str, str]:
    """Run a block to its end and return the environment it leaves.

    Raises:
        SystemExit: When it fails or takes too long.
    """
    with tempfile.NamedTemporaryFile() as left:
        script = f"set -euo pipefail\n{block.script}\nenv -0 >{left.name}\n"
        try:
            subprocess.run(  # noqa: S603 (our own pages)
                ["/bin/bash", "-c", script],
                env=environment,
                stdin=subprocess.DEVNULL,
                timeout=TIMEOUT_SECONDS,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            sys.exit(f"block failed: {error.__class__.__name__}\n{block.script}")
        pairs = Path(left.name).read_text(encoding="utf-8").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def start_block(block: Block, environment: dict[str, str]) -> Running:
    """Start a block of one command in the background, and let it settle.

    A reader's `&` is left out: the command itself must be ours to end.
    """
    command = block.script.strip().removesuffix("&")
    process = subprocess.Popen(  # noqa: S603 (our own pages)
        ["/bin/bash", "-c", f"exec {command}"], env=environment, stdin=subprocess.DEVNULL
    )
    time.sleep(SETTLE_SECONDS)
    return Running(block, process)


def stop_block(running: Running) -> str | None:
    """End a block in the background; return what is wrong with how it ended, if anything."""
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGTERM)
    try:
        status = running.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        running.process.kill()
        running.process.wait()
        return "did not end on SIGTERM"
    return None if status == 0 else f"ended with status {status}"


def run_all(blocks: list[Block]) -> list[str]:
    """Run the blocks; return what was wrong with those in the background."""
    environment = dict(os.environ)  # noqa: TID251 (a script of CI, not part of the program)
    in_background: list[Running] = []
    problems: list[str] = []
    try:
        for block in blocks:
            sys.stdout.write(f"-- {block.action}\n{block.script}")
            sys.stdout.flush()
            if block.action == "background":
                in_background.append(start_block(block, environment))
            elif block.action == "run":
                if "stack down" in block.script:
                    problems += stop_all(in_background)
                environment = run_block(block, environment)
    finally:
        problems += stop_all(in_background)
    return problems


def stop_all(in_background: list[Running]) -> list[str]:
    """End all that runs in the background, the latest first."""
    problems = []
    while in_background:
        running = in_background.pop()
        wrong = stop_block(running)
        if wrong:
            problems.append(f"{running.block.script.strip()}: {wrong}")
    return problems


def main() -> None:
    """Run these pages of the working directory, or those named on the command line."""
    pages = [Path(name) for name in sys.argv[1:] or PAGES]
    blocks = [block for page in pages for block in find_blocks(page.read_text(encoding="utf-8"))]
    silent = [block.script for block in blocks if not block.action]
    if silent:
        sys.exit("blocks without a `ci:` comment:\n" + "\n".join(silent))
    problems = run_all(blocks)
    if problems:
        sys.exit("commands in the background:\n" + "\n".join(problems))
    ran = sum(block.action in ("run", "background") for block in blocks)
    sys.stdout.write(f"{ran} of {len(blocks)} blocks of {', '.join(map(str, pages))} run\n")


if __name__ == "__main__":
    main()
