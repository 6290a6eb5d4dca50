"""What is counted per (bucket, genre): one cell of `MEASURE_COUNT` whole numbers.

A cell travels through Redis as little-endian int64s and through numpy as the last axis of an
array; both follow the order of `MEASURES`.
"""

from typing import Final

MEASURES: Final = (
    "clicks",  # events
    "watch_ms",  # summed watch time of the events that carry it, milliseconds
    "watch_count",  # events that carry watch time
    "age_sum",  # summed age of the events that carry it, years
    "age_count",  # events that carry an age
    "female",  # events with gender f
    "male",  # events with gender m
    "other_gender",  # events with gender x
)
"""Names of a cell's numbers, in their order; all are sums, so cells add up."""

MEASURE_COUNT: Final = len(MEASURES)
"""Numbers in a cell."""

MAX_WATCH_SECONDS: Final = 86_400.0
"""Longest watch time an event may claim, seconds: a day; keeps every sum exact in a double."""

OTHER_GENRE: Final = "(other)"
"""Genres past `max_genres` count under this name, so sums stay exact."""
