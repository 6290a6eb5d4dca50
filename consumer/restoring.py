"""From journal records back to the state in Redis."""

from collections.abc import Sequence

import numpy as np

from contracts.forecasts import BucketRecord
from contracts.measures import MEASURE_COUNT
from state.packing import pack_row
from state.store import Store


def restore_store(store: Store, tail: BucketRecord, records: Sequence[BucketRecord]) -> int:
    """Reset the store to the journal's last record.

    Args:
        store: The deployment's state.
        tail: The last record.
        records: What the window is made of, oldest first.

    Returns:
        The buckets in the window; 0 when the store is not behind the journal and stays as it is.
    """
    rows: dict[int, bytes] = {}
    for record in records:
        if record.bucket_start > tail.bucket_start:
            break  # written since by a newer forecaster
        if record.is_reset:
            rows.clear()
        cells = [record.counts.get(genre, (0,) * MEASURE_COUNT) for genre in tail.counts]
        row = np.array(cells, np.int64).reshape(-1, MEASURE_COUNT)
        rows[record.bucket_start] = pack_row(row)
    return len(rows) if store.restore(tail, rows) else 0
