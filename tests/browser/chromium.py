"""The system's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
"""What the browser is called, by distribution."""


def find_chromium() -> str | None:
    """Return the browser's path, None when there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def require_chromium() -> str:
    """Return the browser's path; skip where there is none, fail in CI, which has one."""
    path = find_chromium()
    if path is None:
        reason = "no chromium on the path; Debian: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@contextmanager
def chromium(path: str, *arguments: str) -> Iterator[Browser]:
    """A headless browser; as root it runs without its sandbox, which root can't have."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    # Containers have a small /dev/shm.
    options = [*sandbox, "--disable-dev-shm-usage", *arguments]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            browser.close()


def axe_source() -> str:
    """Return axe-core, as a script to evaluate in a page."""
    return (Path(__file__).parent / "vendor/axe-core/axe.min.js").read_text(encoding="utf-8")
