"""README.md and the other pages say what the code is."""

import re
from pathlib import Path

import pytest

from genrecast.cli import COMMANDS
from tests import commands_page, contracts_page, settings_page

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
RUN = (README, ROOT / "docs/start.md")  # their commands are run by CI
PAGES = sorted([README, ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])


def code_of(page: Path) -> str:
    """Return a page's commands and inline code, one piece a line."""
    text = page.read_text(encoding="utf-8")
    fenced = re.compile(r"^```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return "\n".join(fenced.findall(text) + re.findall(r"`([^`]+)`", fenced.sub("", text)))


def test_settings_are_those_of_the_code() -> None:
    text = settings_page.PAGE.read_text(encoding="utf-8")
    assert text == settings_page.with_tables(text), "run: python -m tests.settings_page"


def test_commands_are_those_of_the_code() -> None:
    text = commands_page.PAGE.read_text(encoding="utf-8")
    assert text == commands_page.page(), "run: python -m tests.commands_page"


def test_contracts_are_those_of_the_code() -> None:
    text = contracts_page.PAGE.read_text(encoding="utf-8")
    assert text == contracts_page.page(), "run: python -m tests.contracts_page"


def test_no_command_shows_the_mark_that_keeps_its_examples_apart() -> None:
    assert "\\b" not in commands_page.page()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"(?:^|\$\()genrecast ([a-z-]+)", code_of(page), re.MULTILINE))
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)", code_of(page), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    tables = settings_page.PAGE.read_text(encoding="utf-8")
    known = set(re.findall(r"^\| `(GENRECAST_[A-Z_]+)`", tables, re.MULTILINE))
    named = set(re.findall(r"GENRECAST_[A-Z_]+[A-Z]\b(?!\*)", page.read_text(encoding="utf-8")))
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    missing = [link for link in local if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_every_command_block_says_what_ci_does_with_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:bash|console|sh)$", text, re.MULTILINE)
    marked = re.findall(
        r"^<!-- ci: (?:run|background|not run: .+) -->\n+```(?:bash|console|sh)$",
        text,
        re.MULTILINE,
    )
    assert len(blocks) == len(marked)
