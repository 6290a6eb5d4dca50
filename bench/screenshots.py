"""Pictures of the dashboard for the documentation, from a real deployment.

    python -m bench.screenshots

A day of simulated traffic passes in a minute, after four days at once; pictures are taken in the
evenings that follow, light and dark, at the widths of a desk and of a phone.
"""

import io
import sys
import tempfile
from pathlib import Path
from typing import Final

import click
from PIL import Image
from playwright.sync_api import Browser, Page

from bench.lab import ROOT, BenchError, Lab, services
from bench.served import chromium_path, served
from tests.browser.chromium import chromium

FOLDER: Final = ROOT / "docs/dashboard"
WIDTHS: Final = {1440: 900, 390: 844}
"""Widths of the window, and the height of each, px."""

TRAFFIC: Final = (
    "--rate=600", "--speed=1440", "--start=2026-01-05", "--backlog-days=4", "--late=0.01",
    "--malformed=0.005",
)  # fmt: skip
BUCKET_SECONDS: Final = 900

COLOURS: Final = 256
"""Colours of a picture: flat areas and text need no more, and the file is a third as large."""

IS_EVENING: Final = """() => {
  const bucket = document.getElementById("genres-bucket").dateTime;
  return bucket > "2026-01-09" && /T(18|19):/.test(bucket);
}"""
"""What was sent at once has been forecast from, and it is six or seven in the evening."""

HAS_CHARTS: Final = "() => document.querySelectorAll('#genre-charts canvas').length === 4"

WAIT_MS: Final = 500_000
"""Longer than that takes on a busy machine, ms."""


def take_all(browser: Browser, url: str) -> None:
    for theme in ("light", "dark"):
        for width, height in WIDTHS.items():
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme, locale="en-GB"
            )
            page = context.new_page()
            page.set_default_timeout(WAIT_MS)
            page.goto(url)
            page.wait_for_selector("#genres tbody tr")
            page.wait_for_timeout(12_000)  # trend and skill come with the second overview
            page.wait_for_function(IS_EVENING)
            keep(page, f"genres-{theme}-{width}", whole=False)
            page.goto(f"{url}#/genre/crime")
            page.wait_for_function(HAS_CHARTS)
            page.wait_for_timeout(2_000)
            keep(page, f"genre-{theme}-{width}", whole=True)
            page.goto(f"{url}#/pipeline")
            page.wait_for_selector("#pipeline-body:not([hidden])")
            page.wait_for_timeout(12_000)  # a curve of some looks
            keep(page, f"pipeline-{theme}-{width}", whole=True)
            context.close()


def keep(page: Page, name: str, *, whole: bool) -> None:
    picture = Image.open(io.BytesIO(page.screenshot(full_page=whole))).convert("RGB")
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.png"
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes", file=sys.stderr, flush=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Take the pictures anew; takes about six minutes."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="genrecast-bench-") as folder,
            services(None, None, Path(folder)) as (kafka, redis),
            chromium(chromium_path()) as browser,
            served(Lab(kafka, redis, Path(folder)), TRAFFIC, bucket_seconds=BUCKET_SECONDS) as site,
        ):
            take_all(browser, site.url)
    except BenchError as error:
        sys.exit(f"bench.screenshots: {error}")


if __name__ == "__main__":
    main()
