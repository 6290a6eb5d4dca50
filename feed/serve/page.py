"""The dashboard's page, with the scripts in it that must be there whenever it is."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Final, NamedTuple

from feed.serve.gate import CONTENT_SECURITY_POLICY

_CLASSIC_SCRIPT: Final = re.compile(r'<script src="assets/(?P<name>[a-z]+\.js)"></script>')
"""A script that is no module, as the page names it."""


class Page(NamedTuple):
    """What is answered to who asks for the page.

    Attributes:
        html: The page.
        policy: Its Content-Security-Policy: our own files, and the scripts in it by their hashes.
    """

    html: str
    policy: str


def read_page(folder: Path) -> Page:
    """Return a folder's index.html with its classic scripts put into it.

    They set the theme before anything is drawn, and mend what of the rest does not arrive: as
    files of their own they could be what is missing.
    """
    hashes: list[str] = []

    def put_in(found: re.Match[str]) -> str:
        script = (folder / found["name"]).read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        hashes.append(f"'sha256-{digest}'")
        return f"<script>{script}</script>"

    html = _CLASSIC_SCRIPT.sub(put_in, (folder / "index.html").read_text(encoding="utf-8"))
    scripts = " ".join(("script-src 'self'", *hashes))
    return Page(html, f"{CONTENT_SECURITY_POLICY}; {scripts}")
