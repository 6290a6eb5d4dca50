"""README.md and the other pages say what the code is."""

import re
from pathlib import Path

import pytest

from genrecast.cli import COMMANDS
from tests.readme_tables import README, with_tables

ROOT = README.parent
PAGES = sorted([README, ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])


def code_of(page: Path) -> str:
    """Return a page's commands and inline code, one piece a line."""
    text = page.read_text(encoding="utf-8")
    fenced = re.compile(r"^```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return "\n".join(fenced.findall(text) + re.findall(r"`([^`]+)`", fenced.sub("", text)))


def test_settings_tables_are_those_of_the_settings() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == with_tables(text), "run: python -m tests.readme_tables"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"(?:^|\$\()genrecast ([a-z-]+)", code_of(page), re.MULTILINE))
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", code_of(page), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    tables = README.read_text(encoding="utf-8")
    known = set(re.findall(r"^\| `(GENRECAST_[A-Z_]+)`", tables, re.MULTILINE))
    named = set(re.findall(r"GENRECAST_[A-Z_]+[A-Z]\b(?!\*)", page.read_text(encoding="utf-8")))
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    missing = [link for link in local if not (page.parent / link).exists()]
    assert not missing


def test_every_command_block_says_what_ci_does_with_it() -> None:
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:bash|console|sh)$", text, re.MULTILINE)
    marked = re.findall(
        r"^<!-- ci: (?:run|background|not run: .+) -->\n+```(?:bash|console|sh)$",
        text,
        re.MULTILINE,
    )
    assert len(blocks) == len(marked)
