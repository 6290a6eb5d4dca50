"""The site's pages: the repository's documents, where the site has them.

Documents are written to be read where they lie: links between them are relative to the
repository's folders. The site has README.md as its first page and `docs/` at its root; what
documents link to from elsewhere comes along, other documents as pages, other files as pages that
show them. No generator is asked to do any of it, so another one can take over.
"""

import os
import re
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

HOME: Final = PurePosixPath("README.md")
"""The document that is the site's first page."""

DOCUMENTS: Final = PurePosixPath("docs")
"""The folder whose content is at the site's root."""

SHOWN: Final = PurePosixPath("source")
"""Where the site has files that are no documents."""

ASIS: Final = frozenset({".svg", ".png", ".css", ".ipynb", ".gz", ".npz", ".parquet"})
"""Files that the site has as they are, wherever they come from."""

LANGUAGES: Final[Mapping[str, str]] = {
    ".py": "python", ".yml": "yaml", ".yaml": "yaml", ".json": "json", ".toml": "toml",
    ".lua": "lua", ".js": "javascript", ".sh": "bash", ".xml": "xml",
}  # fmt: skip
"""How a shown file is coloured, by suffix."""

_BLOCK: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"(^```.*?^```$|`[^`\n]*`)", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s#]+)")
_COMMENT: Final = re.compile(r"^<!--.*?-->\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """A file of the site.

    Attributes:
        text: Its Markdown; None for a file that is taken as it is.
        source: The file or folder of the repository that it was made from.
    """

    text: str | None
    source: PurePosixPath


def site_path(path: PurePosixPath, root: Path) -> PurePosixPath:
    """Return where the site has a file of the repository, or a folder that has no README.

    >>> str(site_path(PurePosixPath("docs/feed.md"), Path()))
    'feed.md'
    """
    if (root / path).is_dir():
        return SHOWN / path / "README.md"
    if path == HOME:
        return PurePosixPath("index.md")
    if path.is_relative_to(DOCUMENTS):
        return path.relative_to(DOCUMENTS)
    if path.suffix == ".md" or path.suffix in ASIS:
        return path
    return SHOWN / path.parent / f"{path.name}.md"


def collect(root: Path) -> dict[PurePosixPath, Page]:
    """Return all files of the site, by their place in it.

    A link that leads nowhere is left as it is, for the generator to complain about.
    """
    pages: dict[PurePosixPath, Page] = {}
    documents = (path for path in (root / DOCUMENTS).rglob("*") if path.is_file())
    waiting = deque([HOME, *(PurePosixPath(path.relative_to(root)) for path in sorted(documents))])
    while waiting:
        path = waiting.popleft()
        place = site_path(path, root)
        if place in pages:
            continue
        text, linked = _page(path, root)
        pages[place] = Page(text, path)
        waiting += linked
    return pages


def _page(path: PurePosixPath, root: Path) -> tuple[str | None, list[PurePosixPath]]:
    """Return a page's text and the files that it links to."""
    full = root / path
    if full.is_dir():
        return _listing(path, root)
    if path.suffix == ".md":
        return _document(path, root)
    if path.suffix in ASIS or path.is_relative_to(DOCUMENTS):
        return None, []
    return _shown(path, full.read_text(encoding="utf-8")), []


def _document(path: PurePosixPath, root: Path) -> tuple[str, list[PurePosixPath]]:
    linked: list[PurePosixPath] = []
    here = site_path(path, root).parent

    def moved(match: re.Match[str]) -> str:
        target = match[1]
        if re.match(r"[a-z]+:", target):
            return match[0]
        found = PurePosixPath(os.path.normpath(path.parent / target))
        if not (root / found).exists() or found.parts[:1] == ("..",):
            return match[0]
        if (root / found / "README.md").is_file():
            found /= "README.md"
        linked.append(found)
        return f"]({_relative(site_path(found, root), here)}"

    text = (root / path).read_text(encoding="utf-8")
    text = outside(_BLOCK, text, lambda prose: _COMMENT.sub("", prose))
    return outside(_CODE, text, lambda prose: _LINK.sub(moved, prose)), linked


def outside(code: re.Pattern[str], text: str, change: Callable[[str], str]) -> str:
    """Return Markdown with its prose changed and what is `code` left alone."""
    parts = code.split(text)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def prose_of(text: str) -> str:
    """Return Markdown without its code."""
    return "\n".join(_CODE.split(text)[::2])


def _relative(place: PurePosixPath, here: PurePosixPath) -> str:
    return PurePosixPath(os.path.relpath(place, here)).as_posix()


def _listing(path: PurePosixPath, root: Path) -> tuple[str, list[PurePosixPath]]:
    """A folder without a README: its files, as links."""
    files = [
        path / entry.name
        for entry in sorted((root / path).iterdir())
        if entry.is_file() and not entry.name.startswith("__")
    ]
    here = site_path(path, root).parent
    lines = [f"- [{file.name}]({_relative(site_path(file, root), here)})" for file in files]
    return _unsearched(f"# {path}\n\n" + "\n".join(lines) + "\n"), files


def _shown(path: PurePosixPath, text: str) -> str:
    language = LANGUAGES.get(path.suffix, "text")
    return _unsearched(f"# {path}\n\n~~~~~~ {language}\n{text.rstrip()}\n~~~~~~\n")


def _unsearched(text: str) -> str:
    return f"---\nsearch:\n  exclude: true\n---\n\n{text}"


def write(pages: Mapping[PurePosixPath, Page], root: Path, folder: Path) -> None:
    """Make `folder` hold these pages and nothing else; what has not changed is not touched."""
    for place, page in pages.items():
        target = folder / place
        wanted = (
            (root / page.source).read_bytes() if page.text is None else page.text.encode("utf-8")
        )
        if not target.is_file() or target.read_bytes() != wanted:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(wanted)
    kept = {folder / place for place in pages}
    for path in [path for path in folder.rglob("*") if path.is_file() and path not in kept]:
        path.unlink()
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(path.iterdir()):
            shutil.rmtree(path)
