"""Lists of genres as events spell them, and what they count as: looked up, not normalised anew.

Traffic repeats few lists very often. Each gets a number, and events are grouped by it.
"""

from typing import Final

from contracts.events import MAX_TEXT_LENGTH, normalise_genre

LISTS_REMEMBERED: Final = 65_536
"""Spellings whose normal form is remembered: bounds memory, not correctness."""


class GenreLists:
    """Numbers of genre lists; they mean the same as long as this object is used.

    Attributes:
        by_spelling: The number of what a list is counted as, or DOUBTFUL; looked up, it is added.
        normal: The normalised lists, by number.
    """

    DOUBTFUL: Final = 0
    """Number of spellings that the contract itself has to judge."""

    def __init__(self) -> None:
        self.normal: list[tuple[str, ...]] = [()]
        self._ids: dict[tuple[str, ...], int] = {}
        self.by_spelling = _Spellings(self)

    def id_of(self, genres: tuple[str, ...]) -> int:
        """Return the number of a list that is normalised and valid."""
        at = self._ids.get(genres)
        if at is None:
            at = self._ids[genres] = len(self.normal)
            self.normal.append(genres)
        return at


class _Spellings(dict[tuple[str, ...], int]):
    """What `GenreLists.by_spelling` is."""

    def __init__(self, lists: GenreLists) -> None:
        super().__init__()
        self._lists = lists

    def __missing__(self, genres: tuple[str, ...]) -> int:
        normal = tuple(dict.fromkeys(map(normalise_genre, genres)))
        is_plain = all(0 < len(g) <= MAX_TEXT_LENGTH and g.isprintable() for g in normal)
        at = self[genres] = self._lists.id_of(normal) if is_plain else GenreLists.DOUBTFUL
        return at


_current = GenreLists()


def genre_lists() -> GenreLists:
    """Return the lists seen lately; new ones once there are too many."""
    global _current
    if len(_current.by_spelling) + len(_current.normal) > LISTS_REMEMBERED:
        _current = GenreLists()
    return _current
