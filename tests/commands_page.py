"""docs/commands.md; `python -m tests.commands_page` writes it from the commands themselves."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from contracts.settings import Settings
from feed.serve.settings import ServeSettings
from genrecast.cli import COMMANDS, cli

PAGE: Final = Path(__file__).parents[1] / "docs" / "commands.md"
"""The page."""

_HEAD: Final = """# Commands

<!-- Written by `python -m tests.commands_page` from the commands. -->

`genrecast COMMAND --help` says the same, with every setting that the command takes as an option.
Here settings are left out: [settings](settings.md) has them. Commands exit 0 when all is well, also
when ended by Ctrl-C or SIGTERM; 1 when something is wrong that they say on stderr; 2 when a setting
or an option is.

| command | what it does |
|---|---|
"""

_SETTINGS: Final = frozenset(Settings.model_fields) | frozenset(ServeSettings.model_fields)
"""Options that are settings, told elsewhere."""

_VALUES: Final = {"INTEGER RANGE": "N", "INTEGER": "N", "FLOAT RANGE": "X", "DIRECTORY": "DIR"}
"""What click calls values, in a word."""


def page() -> str:
    """Return the whole page."""
    rows = [
        f"| [`genrecast {name}`](#genrecast-{name}) | {entry[2]} |"
        for name, entry in COMMANDS.items()
    ]
    return "\n".join([_HEAD + "\n".join(rows) + "\n", *_sections()])


def _sections() -> Iterator[str]:
    root = click.Context(cli, info_name="genrecast")
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        yield from _section(command, f"genrecast {name}", level=2)


def _section(command: click.Command, title: str, level: int) -> Iterator[str]:
    yield f"{'#' * level} {title}\n"
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    yield from map(_prose, [text for text in paragraphs if not text.startswith("\b")])
    options = [option for option in command.params if option.name not in _SETTINGS]
    if options:
        yield "\n".join(["| option | meaning |", "|---|---|", *map(_row, options)]) + "\n"
    yield from map(_verbatim, [text for text in paragraphs if text.startswith("\b")])
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _section(inner, f"{title} {name}", level + 1)


def _prose(text: str) -> str:
    return text.replace("<", "&lt;") + "\n"


def _verbatim(text: str) -> str:
    lines = inspect.cleandoc(text.removeprefix("\b")).splitlines()
    if lines[0] in ("Example:", "Examples:"):
        lines = inspect.cleandoc("\n".join(lines[1:])).splitlines()
    return "\n".join(["```", *lines, "```"]) + "\n"


def _row(parameter: click.Parameter) -> str:
    if not isinstance(parameter, click.Option):
        return f"| `{parameter.name}` |  |".upper()
    value = "" if parameter.is_flag else parameter.make_metavar(click.Context(cli))
    name = f"{', '.join(parameter.opts)} {_VALUES.get(value, value)}".strip()
    meaning = parameter.help or ""
    default: object = parameter.default
    if parameter.show_default and default is not None:
        is_whole = isinstance(default, float) and default.is_integer()
        meaning += f" Default: {f'{default:.0f}' if is_whole else default}."
    return f"| `{name.replace('|', ', ')}` | {meaning.strip().replace('|', ' or ')} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
