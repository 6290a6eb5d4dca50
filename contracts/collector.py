"""Python's cycle collector, told what the memory of a long-lived process looks like.

Records live for one poll and make no cycles, yet a poll makes tens of thousands of them, and each
some hundred would have the collector look through all objects, TensorFlow's millions among
them: a third of the time that the forecaster's process spent on reading and counting. The HTTP
service, asked 200 times a second, stood still for some 80 ms every ten seconds.
"""

import gc
from typing import Final

COLLECT_AFTER: Final = (100_000, 20, 100)
"""Objects made before a look at the young ones, and how many looks before one at older ones."""


def settle_collector() -> None:
    """Leave all objects that exist now out of the search for cycles, and search less often.

    For the end of a process's start-up, and again when something large was loaded.
    """
    gc.set_threshold(*COLLECT_AFTER)
    gc.collect()
    gc.freeze()
