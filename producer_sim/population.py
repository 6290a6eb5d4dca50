"""Who clicks on what: users with tastes, shows with genres, each with its piece of JSON ready."""

from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from contracts.events import normalise_genre
from producer_sim.genres import GenreProfile, shares

USER_COUNT: Final = 20_000
"""Users of the platform; the most active fans click many times as often as the rest."""

SHOW_COUNT: Final = 280
"""Shows in all, about; a genre has two at least, one where there are more genres than shows."""

FAN_RATIO: Final = 0.65
"""Part of a genre's clicks that its fans make; the rest comes from anybody."""

UNKNOWN_AGE_RATIO: Final = 0.2
"""Users whose age is not known."""

UNKNOWN_GENDER_RATIO: Final = 0.15
"""Users whose gender is not known."""

_USERS, _SHOWS = 11, 12


class Users:
    """Users, sorted by the genre they like best, so that a genre's fans are one range.

    Attributes:
        keys: User ids as record keys.
        pieces: Their fields as JSON, without braces.
        shares: Each genre's part of all traffic.
    """

    def __init__(self, genres: tuple[GenreProfile, ...], seed: int) -> None:
        rng = np.random.default_rng([seed, _USERS])
        favourite = np.sort(rng.choice(len(genres), USER_COUNT, p=shares(genres)))
        borders = np.searchsorted(favourite, np.arange(len(genres) + 1))
        self._fans_from, self._fan_count = borders[:-1], np.diff(borders)
        self._favourite = favourite
        self.shares = np.array(shares(genres))
        mean_age = np.array([genre.mean_age for genre in genres])[favourite]
        ages = np.clip(np.round(rng.normal(mean_age, 11)), 13, 95).astype(int).tolist()
        female = np.array([genre.female_share for genre in genres])[favourite]
        draws = rng.random(USER_COUNT)
        genders = np.where(draws < female, "f", np.where(draws > 0.985, "x", "m")).tolist()
        has_age = (rng.random(USER_COUNT) >= UNKNOWN_AGE_RATIO).tolist()
        has_gender = (rng.random(USER_COUNT) >= UNKNOWN_GENDER_RATIO).tolist()
        self.keys: list[bytes] = []
        self.pieces: list[bytes] = []
        for user, number in enumerate(rng.permutation(USER_COUNT).tolist()):
            fields: dict[str, object] = {"user_id": f"u{number:05d}"}
            if has_age[user]:
                fields["age"] = ages[user]
            if has_gender[user]:
                fields["gender"] = genders[user]
            self.keys.append(f"u{number:05d}".encode())
            self.pieces.append(orjson.dumps(fields)[1:-1])

    def preference(self, user: int, genre: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how often a user clicks each genre `(n,)`, unasked, over the mean of all genres.

        What `draw` comes to on average over a week: tastes that only the simulator knows.
        """
        own = self._favourite[user]
        fans, rank = self._fan_count[own], user - self._fans_from[own]
        share_of_fans = np.sqrt((rank + 1) / fans) - np.sqrt(rank / fans)
        as_fan = FAN_RATIO * self.shares[own] * share_of_fans
        # Clicks of a genre without fans are all anybody's.
        anybody = np.where(self._fan_count > 0, 1 - FAN_RATIO, 1.0) * self.shares / USER_COUNT
        clicks = anybody[genre] + np.where(genre == own, as_fan, 0.0)
        return np.asarray(clicks * len(self.shares) / (anybody.sum() + as_fan))

    def draw(self, rng: np.random.Generator, genre: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return a user for each click of `genre` `(n,)`: fans more often, some fans most."""
        fans = self._fan_count[genre]
        fan = self._fans_from[genre] + (fans * rng.random(len(genre)) ** 2).astype(np.int64)
        anybody = rng.integers(0, USER_COUNT, len(genre))
        is_fan = (rng.random(len(genre)) < FAN_RATIO) & (fans > 0)
        return np.where(is_fan, fan, anybody).astype(np.int64)


class Shows:
    """Shows with one to three genres, grouped by their first.

    Attributes:
        ids: Show ids.
        pieces: Their fields as JSON, without braces.
        first_genre: Per show the place of its first genre, the one it is drawn by.
        genre_list: Per show the index of its genres in `genre_lists`.
        genre_lists: The different lists of genres, normalised.
    """

    def __init__(self, genres: tuple[GenreProfile, ...], seed: int) -> None:
        rng = np.random.default_rng([seed, _SHOWS])
        part = np.array(shares(genres))
        least = 2 if len(genres) <= SHOW_COUNT else 1
        self._count = np.maximum(least, np.round(SHOW_COUNT * part)).astype(np.int64)
        self._from = np.concatenate(([0], np.cumsum(self._count)[:-1]))
        first = np.repeat(np.arange(len(genres)), self._count)
        extra_count = rng.choice(3, len(first), p=[0.45, 0.38, 0.17]).tolist()
        others = rng.choice(len(genres), (len(first), 2), p=part).tolist()
        lists: dict[tuple[str, ...], int] = {}
        numbers: list[int] = []
        self.first_genre = first
        self.ids: list[str] = []
        self.pieces: list[bytes] = []
        for show, genre in enumerate(first.tolist()):
            chosen = dict.fromkeys([genre, *others[show][: extra_count[show]]])
            names = [genres[index].name for index in chosen]
            self.ids.append(f"s{show:04d}")
            fields = {"show_id": self.ids[-1], "genres": names}
            self.pieces.append(orjson.dumps(fields)[1:-1])
            normal = tuple(dict.fromkeys(normalise_genre(name) for name in names))
            numbers.append(lists.setdefault(normal, len(lists)))
        self.genre_list = np.array(numbers, np.int64)
        self.genre_lists = tuple(lists)

    def first_of(self, genre: int) -> int:
        """Return the show that a genre is known for."""
        return int(self._from[genre])

    def draw(
        self, rng: np.random.Generator, genre: NDArray[np.int64], burst: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Return a show for each click of `genre` `(n,)`.

        Args:
            rng: Where randomness comes from.
            genre: First genre of each click.
            burst: Chance `(n,)` that it belongs to a premiere, which is the genre's first show.
        """
        count = self._count[genre]
        popular = (count * rng.random(len(genre)) ** 2.2).astype(np.int64)
        is_premiere = rng.random(len(genre)) < burst
        return np.where(is_premiere, self._from[genre], self._from[genre] + popular)
