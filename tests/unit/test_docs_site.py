"""The documentation site: its pages, its drawing, and that it builds without a warning."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from consumer.aggregate import aggregate_records
from contracts.settings import Settings
from docsite import links, timeline
from docsite.pages import Page, collect, site_path, write
from state.memory_store import MemoryStore
from state.store import Sealed

ROOT = Path(__file__).parents[2]

Repository = Callable[..., Path]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Makes a repository of these files."""

    def make(**texts: str) -> Path:
        for name, text in {"README.md": "# R\n", "docs/a.md": "# A\n", **texts}.items():
            path = tmp_path / "repository" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "repository"

    return make


def text_of(root: Path, place: str) -> str:
    text = collect(root)[PurePosixPath(place)].text
    assert text is not None
    return text


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("README.md", "index.md"),
        ("docs/feed.md", "feed.md"),
        ("docs/decisions/README.md", "decisions/README.md"),
        ("docs/contracts/x.json", "contracts/x.json"),
        ("bench/RESULTS.md", "bench/RESULTS.md"),
        ("bench/plots/a.svg", "bench/plots/a.svg"),
        ("consumer/decode.py", "source/consumer/decode.py.md"),
        ("LICENSE", "source/LICENSE.md"),
    ],
)
def test_every_file_has_a_place(path: str, place: str) -> None:
    assert str(site_path(PurePosixPath(path), ROOT)) == place


def test_links_lead_to_where_the_site_has_what_they_lead_to(repository: Repository) -> None:
    root = repository(
        **{
            "README.md": "[a](docs/a.md#b) [c](c.py)\n",
            "docs/a.md": "[r](../README.md) [d](../bench/D.md) ![p](../bench/p.svg)\n",
            "bench/D.md": "[a](../docs/a.md)\n",
            "bench/p.svg": "<svg/>",
            "c.py": "1\n",
        }
    )
    assert text_of(root, "index.md") == "[a](a.md#b) [c](source/c.py.md)\n"
    assert text_of(root, "a.md") == "[r](index.md) [d](bench/D.md) ![p](bench/p.svg)\n"
    assert text_of(root, "bench/D.md") == "[a](../a.md)\n"
    assert "~~~~~~ python\n1\n~~~~~~\n" in text_of(root, "source/c.py.md")


def test_a_link_to_a_folder_leads_to_its_readme_or_a_list_of_its_files(
    repository: Repository,
) -> None:
    root = repository(
        **{
            "README.md": "[d](docs/d) [e](e)\n",
            "docs/d/README.md": "# D\n",
            "e/one.lua": "return 1\n",
        }
    )
    assert text_of(root, "index.md") == "[d](d/README.md) [e](source/e/README.md)\n"
    assert "- [one.lua](one.lua.md)" in text_of(root, "source/e/README.md")


def test_what_leads_out_or_nowhere_is_left_as_it_is(repository: Repository) -> None:
    kept = "[a](https://a.example/b) [b](#c) [d](absent.md) [e](../../etc/passwd)\n"
    assert text_of(repository(**{"README.md": kept}), "index.md") == kept


def test_code_is_left_as_it_is(repository: Repository) -> None:
    text = "```\n[a](docs/a.md)\n<!-- kept -->\n```\n`[a](docs/a.md)`\n"
    assert text_of(repository(**{"README.md": text}), "index.md") == text


def test_comments_for_ci_and_for_scripts_are_left_out(repository: Repository) -> None:
    text = "<!-- ci: run -->\n```bash\nls\n```\n\n<!-- by `a` -->\n| a |\n<!-- end -->\n\n# B\n"
    root = repository(**{"README.md": text})
    assert text_of(root, "index.md") == "```bash\nls\n```\n\n| a |\n\n# B\n"


def test_collected_pages_replace_those_of_before(repository: Repository, tmp_path: Path) -> None:
    root, folder = repository(**{"docs/p.png": "p"}), tmp_path / "pages"
    (folder / "old").mkdir(parents=True)
    (folder / "old/page.md").write_text("old")
    write(collect(root), root, folder)
    before = (folder / "a.md").stat().st_mtime_ns
    write(collect(root), root, folder)
    assert (folder / "a.md").stat().st_mtime_ns == before
    assert (folder / "p.png").read_text() == "p"
    assert not (folder / "old").exists()


def test_links_that_lead_out_are_found_with_who_has_them() -> None:
    text = "[a](https://a.example/x#y) [l](http://localhost:8080/)\n`https://no.example`\n\n[b]: https://b.example\n"
    page = Page(text, PurePosixPath("docs/a.md"))
    found = links.outward({PurePosixPath("a.md"): page})
    assert found == {"https://a.example/x": ["docs/a.md"], "https://b.example": ["docs/a.md"]}


def test_the_drawing_is_the_one_in_the_documents() -> None:
    assert timeline.PICTURE.read_text("utf-8") == timeline.drawing(), (
        "run: python -m docsite.timeline"
    )


@dataclass
class Drawn:
    """A record of the drawing, as it would come from Kafka."""

    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None


NOON = 1_767_614_400_000
"""Monday, 2026-01-05 12:00 UTC: where the drawing begins."""


def drawn(offset: int, at: int, event: int) -> Drawn:
    fields = {"event_id": str(offset), "user_id": "u", "show_id": "s", "genres": ["g"]}
    click = json.dumps({**fields, "event_time": NOON + event * 1000})
    return Drawn(offset, NOON + at * 1000, click.encode())


def test_what_is_drawn_is_what_the_code_does() -> None:
    settings = Settings(
        bucket_seconds=timeline.BUCKET, max_out_of_orderness_seconds=timeline.OUT_OF_ORDER
    )
    store = MemoryStore(settings)
    store.open()
    read = [0, 0]
    marks: list[int | None] = [None, None]
    missed: list[set[tuple[int, int]]] = [set(), set()]
    closed: dict[int, int] = {}
    arrivals = sorted((at, p, e) for p, some in enumerate(timeline.RECORDS) for at, e in some)
    for at, p, event in arrivals:
        done = aggregate_records(
            [drawn(read[p], at, event)], partition=p, span=(read[p], read[p] + 1),
            watermark_ms=marks[p], settings=settings,
        )  # fmt: skip
        assert store.apply(done.batch).kind == "applied"
        read[p], marks[p] = read[p] + 1, done.batch.watermark_ms
        missed[p] |= {(at, event)} if done.late else set()
        for q, records in enumerate(timeline.RECORDS):
            last = records[read[q] - 1][0] if read[q] else at
            if at >= last + timeline.IDLE:
                store.renew_idle(q, read[q], NOON + at * 1000 + 1)
        published = max(closed, default=None)
        sealed = store.seal(
            partition_count=2,
            now_ms=NOON + at * 1000,
            expect_published_ms=None if published is None else NOON + published * 1000,
        )
        if isinstance(sealed, Sealed):
            closed[(sealed.bucket_ms - NOON) // 1000] = at
            assert store.commit(sealed)
    assert missed == [set(timeline.late(records)) for records in timeline.RECORDS]
    assert closed == timeline.closes()


def test_the_site_builds_without_a_warning() -> None:
    built = subprocess.run(
        [sys.executable, "-m", "docsite"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert (ROOT / "build/site/start/index.html").is_file()
