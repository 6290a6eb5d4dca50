"""Reports of several processes as one; each wrote to partitions of its own, so sums are exact."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

SUMS: Final = ("sent", "valid", "counted", "impressions", "late", "malformed")
"""Whole numbers of a report that add up."""

SAME: Final = ("bucket_seconds", "max_out_of_orderness_seconds", "max_future_skew_seconds")
"""What all reports agree on."""


def merge_truth(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the truth of all processes (`Truth.report`) as one.

    Raises:
        ValueError: Two processes wrote to the same partition: what is late is not known then.
    """
    partitions = [number for report in reports for number in report["per_partition"]]
    twice = sorted(number for number, count in Counter(partitions).items() if count > 1)
    if twice:
        raise ValueError(f"two processes wrote to partition {', '.join(twice)}")
    doubts = list(dict.fromkeys(doubt for report in reports for doubt in report["doubts"]))
    per_partition = {k: v for report in reports for k, v in report["per_partition"].items()}
    return {
        "is_exact": not doubts,
        "doubts": doubts,
        **{name: sum(report[name] for report in reports) for name in SUMS},
        **{name: reports[0][name] for name in SAME},
        "counted_per_genre": _add(report["counted_per_genre"] for report in reports),
        "late_per_genre": _add(report["late_per_genre"] for report in reports),
        "events_per_bucket": _add_cells([report["events_per_bucket"] for report in reports]),
        "per_partition": {
            number: per_partition[number] for number in sorted(per_partition, key=int)
        },
    }


def merge_made(made: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the faults that all processes made (`made_on_purpose`) as one."""
    names = [name for name in made[0] if name != "malformed_by_kind"]
    kinds = _add(each["malformed_by_kind"] for each in made)
    return {
        **{name: sum(each[name] for each in made) for name in names},
        "malformed_by_kind": kinds,
    }


def _add(parts: Any) -> dict[str, int]:  # noqa: ANN401 (any iterable of counts)
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(sorted(total.items()))


def _add_cells(parts: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    genres = sorted({genre for part in parts for genre in part})
    cells = {genre: _add(part.get(genre, {}) for part in parts) for genre in genres}
    return {
        genre: dict(sorted(buckets.items(), key=lambda item: int(item[0])))
        for genre, buckets in cells.items()
    }
