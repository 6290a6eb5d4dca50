"""The demo's page: where it is, and opening it where somebody can see it."""

import re
import sys
import threading
import webbrowser
from pathlib import Path
from typing import Final

from pydantic import Field
from pydantic_settings import BaseSettings

_ADDRESS: Final = re.compile(r"^genrecast serve: (http://\S+)$", re.MULTILINE)
"""How the service says where it listens."""


class Desktop(BaseSettings):
    """What tells on Linux that there is a display; others always have one."""

    display: str = Field(default="", validation_alias="DISPLAY")
    wayland_display: str = Field(default="", validation_alias="WAYLAND_DISPLAY")

    @property
    def has_display(self) -> bool:
        """Whether a browser would be seen."""
        return sys.platform != "linux" or bool(self.display or self.wayland_display)


def address_in(service_log: Path) -> str | None:
    """Return the address that the service's log names; None while it does not."""
    if not service_log.exists():
        return None
    found = _ADDRESS.search(service_log.read_text(encoding="utf-8", errors="replace"))
    return f"{found[1]}/" if found else None


def open_page(address: str) -> threading.Thread | None:
    """Open the page in a browser, if there is a display; return what waits for the browser."""
    if not Desktop().has_display:
        return None
    opening = threading.Thread(target=webbrowser.open, args=(address,), daemon=True)
    opening.start()
    return opening
