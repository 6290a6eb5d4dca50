"""The dashboard's files hold together without a build, without a network, under a strict policy."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from feed.serve.app import DASHBOARD

OURS = sorted(
    path for path in DASHBOARD.rglob("*") if path.is_file() and "vendor" not in path.parts
)


class Elements(HTMLParser):
    """Collects elements with their attributes, and text inside script and style."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in ("script", "style") and data.strip():
            self.inline.append(data)


@pytest.fixture(scope="module")
def page() -> Elements:
    parser = Elements()
    parser.feed((DASHBOARD / "index.html").read_text())
    return parser


def test_nothing_is_inline(page: Elements) -> None:
    assert page.inline == []
    names = {name for _, attributes in page.found for name in attributes}
    assert not {name for name in names if name.startswith("on") or name == "style"}
    assert "style" not in {tag for tag, _ in page.found}


def test_every_asset_of_the_page_is_there(page: Elements) -> None:
    named = {
        value
        for _, attributes in page.found
        for value in (attributes.get("src"), attributes.get("href"))
        if value and not value.startswith("#")
    }
    assert len(named) >= 5
    for asset in named:
        assert (DASHBOARD / asset.removeprefix("assets/")).is_file(), asset


def test_every_import_of_a_module_is_there() -> None:
    count = 0
    for path in DASHBOARD.glob("*.js"):
        for target in re.findall(r'from "(\./[^"]+)"', path.read_text()):
            count += 1
            assert (path.parent / target).is_file(), f"{path.name}: {target}"
    assert count >= 20


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_file_names_no_other_host(path: Path) -> None:
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)\S+", path.read_text()) == []


def test_what_others_wrote_has_its_licence_and_version() -> None:
    for folder in (DASHBOARD / "vendor").iterdir():
        assert (folder / "LICENSE").read_text()
        assert re.search(r"\d+\.\d+\.\d+", (folder / "VERSION").read_text())
