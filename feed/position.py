"""A reader's position: the start of the last bucket that it is done with, kept in a file."""

import os
from dataclasses import dataclass
from pathlib import Path

from feed.errors import PositionError


@dataclass(frozen=True, slots=True)
class PositionFile:
    """One number in a file, replaced as a whole."""

    path: Path

    def read(self) -> int | None:
        """Return the bucket's start, epoch ms; None while there is no file.

        Raises:
            PositionError: The file can't be read, or holds something else.
        """
        try:
            text = self.path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise PositionError(f"position file {self.path} cannot be read: {error}") from error
        if not text.isdecimal() or len(text) > len("253402300799999"):
            raise PositionError(
                f"position file {self.path} holds no bucket's start: remove it to begin anew"
            )
        return int(text)

    def write(self, start_ms: int) -> None:
        """Replace the position.

        Raises:
            PositionError: The file can't be written.
        """
        beside = self.path.with_name(f"{self.path.name}.new")
        try:
            beside.write_text(f"{start_ms}\n", encoding="ascii")
            os.replace(beside, self.path)
        except OSError as error:
            raise PositionError(f"position file {self.path} cannot be written: {error}") from error
