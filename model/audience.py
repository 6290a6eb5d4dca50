"""Who clicked and how long they watched, as a few numbers per cell with masks."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.measures import MEASURES

AUDIENCE: Final = ("watch", "has_watch", "age", "has_age", "female_share", "male_share")
"""Names of a cell's audience numbers: a value and whether it is known; shares are 0 when not."""

AUDIENCE_COUNT: Final = len(AUDIENCE)
"""Numbers per cell."""

_COLUMN: Final = {name: position for position, name in enumerate(MEASURES)}
_MAX_WATCH_LOG: Final = 12.0
"""log(1 + seconds) of more than a day is clipped to this."""


def audience_of(cells: NDArray[np.int64]) -> NDArray[np.float16]:
    """Return the audience of each cell, `(..., AUDIENCE_COUNT)` float16, all within [0, 3].

    Half precision: a mean age or share needs no more, and a window holds millions of them.

    Args:
        cells: `(..., MEASURE_COUNT)` int64.
    """
    out = np.zeros((*cells.shape[:-1], AUDIENCE_COUNT), np.float16)
    if not cells[..., 1:].any():
        return out
    measure = np.maximum(cells, 0).astype(np.float64)
    watch_count = measure[..., _COLUMN["watch_count"]]
    mean_watch = measure[..., _COLUMN["watch_ms"]] / 1000.0 / np.maximum(watch_count, 1.0)
    age_count = measure[..., _COLUMN["age_count"]]
    mean_age = measure[..., _COLUMN["age_sum"]] / np.maximum(age_count, 1.0)
    gendered = sum(measure[..., _COLUMN[name]] for name in ("female", "male", "other_gender"))
    out[..., 0] = np.minimum(np.log1p(mean_watch), _MAX_WATCH_LOG) / 4.0
    out[..., 1] = watch_count > 0
    out[..., 2] = np.minimum(mean_age, 120.0) / 50.0
    out[..., 3] = age_count > 0
    out[..., 4] = measure[..., _COLUMN["female"]] / np.maximum(gendered, 1.0)
    out[..., 5] = measure[..., _COLUMN["male"]] / np.maximum(gendered, 1.0)
    return out
