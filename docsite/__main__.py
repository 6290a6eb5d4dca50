"""Build the documentation site.

python -m docsite            build/site, strictly: a warning is an error
python -m docsite --serve    on http://127.0.0.1:8000 (--port), made anew on every change
python -m docsite --links    ask for every link that leads out of the site
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import click

from docsite.links import ask_all, outward
from docsite.pages import collect, write

ROOT: Final = Path(__file__).parents[1]
"""The repository."""

PAGES: Final = ROOT / "build" / "pages"
"""Where the site's pages are collected, `docs_dir` in mkdocs.yml."""

LOOK_SECONDS: Final = 1.0
"""How often documents are looked at while they are served."""


def collect_pages() -> None:
    """Bring the collected pages up to date with the repository."""
    write(collect(ROOT), ROOT, PAGES)


def mkdocs(command: str, *options: str) -> subprocess.Popen[bytes]:
    """Start MkDocs; what its theme's authors think of its next version is not told again."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "true"}  # noqa: TID251 (passed on)
    return subprocess.Popen(  # noqa: S603 (our own arguments)
        [sys.executable, "-m", "mkdocs", command, *options], cwd=ROOT, env=environment
    )


def serve(port: int) -> int:
    """Serve the site and keep its pages up to date, until Ctrl-C."""
    server = mkdocs("serve", "--dev-addr", f"127.0.0.1:{port}")
    try:
        while server.poll() is None:
            time.sleep(LOOK_SECONDS)
            collect_pages()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
        return 0
    return server.returncode


def check_links() -> int:
    """Ask for every link that leads out of the site; tell those that are gone or do not answer."""
    found = outward(collect(ROOT))
    answers = ask_all(sorted(found))
    for url, answer in answers.items():
        if answer != "there":
            click.echo(f"{answer}: {url} ({', '.join(found[url])})")
    counts = {kind: list(answers.values()).count(kind) for kind in ("there", "gone", "unknown")}
    click.echo(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    return 1 if counts["gone"] else 0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--serve", "is_served", is_flag=True, help="Serve it, made anew on every change.")
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True)
@click.option("--links", "is_asked", is_flag=True, help="Ask for links that lead out of the site.")
def main(*, is_served: bool, port: int, is_asked: bool) -> None:
    """Build the documentation site into build/site; a warning is an error."""
    collect_pages()
    if is_asked:
        sys.exit(check_links())
    sys.exit(serve(port) if is_served else mkdocs("build", "--strict").wait())


if __name__ == "__main__":
    main()
