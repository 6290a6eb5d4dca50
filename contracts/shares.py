"""Shares of the genres: which of several deployments of one clicks topic counts which genre."""

import re
from functools import lru_cache
from typing import Final, Self

from contracts.kafka_keys import KeyPartitions

SHARE_PATTERN: Final = r"^[1-9][0-9]{0,3}/[1-9][0-9]{0,3}$"
"""How a share is written: its number, of how many."""

LISTS_REMEMBERED: Final = 65_536
"""Lists of genres whose own part is remembered."""


def check_share(text: str) -> str:
    """Return a share as it is written.

    Raises:
        ValueError: It is none.
    """
    if not re.fullmatch(SHARE_PATTERN, text) or int(text.split("/")[0]) > int(text.split("/")[1]):
        raise ValueError("must be the share's number, a slash, and how many there are, such as 2/4")
    return text


class GenreShare:
    """The genres of one share: those that Kafka would put on its partition of as many.

    >>> [share for share in ("1/3", "2/3", "3/3") if GenreShare(share).of(("crime",))]
    ['3/3']
    """

    def __init__(self, text: str) -> None:
        """Make one of text such as "2/4".

        Raises:
            ValueError: It is none.
        """
        number, count = map(int, check_share(text).split("/"))
        self._at = number - 1
        self._partitions = KeyPartitions(count)
        self.of = lru_cache(LISTS_REMEMBERED)(self._of)

    @classmethod
    @lru_cache(maxsize=8)
    def named(cls, text: str) -> Self:
        """Return the one of a setting; it remembers what it has seen."""
        return cls(text)

    def _of(self, genres: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of some genres that are its own, in their order."""
        return tuple(g for g in genres if self._partitions.of(g.encode()) == self._at)
