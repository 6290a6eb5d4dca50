"""Draws docs/timeline.svg: two partitions, their watermarks, and which buckets close when.

    python -m docsite.timeline

What is drawn follows from the records below by the rules of `consumer` and `state`; a test holds
the two together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

PICTURE: Final = Path(__file__).parents[1] / "docs" / "timeline.svg"
"""The drawing."""

BUCKET: Final = 60
"""Length of a bucket, seconds."""

OUT_OF_ORDER: Final = 15
"""`max_out_of_orderness_seconds` of the drawing: more than the default, so that it can be seen."""

IDLE: Final = 40
"""`idle_timeout_seconds` of the drawing, likewise."""

END: Final = 200
"""Where the drawing ends, seconds of arrival."""

RECORDS: Final = (
    ((4, 2), (18, 16), (34, 30), (50, 46), (64, 60), (72, 52), (84, 80), (98, 94), (107, 48),
     (118, 115), (135, 131), (150, 146), (165, 162), (180, 176), (194, 190)),
    ((10, 6), (27, 24), (44, 40), (58, 55), (74, 71), (90, 87), (172, 169), (187, 185)),
)  # fmt: skip
"""Per partition its records: when Kafka got them, and their event time, seconds after noon."""


@dataclass(frozen=True, slots=True)
class Step:
    """A watermark from one arrival to the next; none while its partition is idle."""

    begin: float
    end: float
    watermark: float | None


def partition_steps(records: Iterable[tuple[int, int]]) -> list[Step]:
    """Return a partition's watermark over the time of arrival."""
    steps = []
    latest: float | None = None
    arrivals = [*records, (END, 0)]
    for (at, event), (after, _) in pairwise(arrivals):
        latest = max(event, latest or 0)
        quiet = min(after, at + IDLE)
        steps.append(Step(at, quiet, latest - OUT_OF_ORDER))
        if quiet < after:
            steps.append(Step(quiet, after, None))
    return steps


def global_steps() -> list[Step]:
    """Return the least of the partitions that are not idle, once each has had an event."""
    partitions = [partition_steps(records) for records in RECORDS]
    begin = max(steps[0].begin for steps in partitions)
    cuts = sorted({step.begin for steps in partitions for step in steps} | {begin, END})
    found = []
    reached = -float(OUT_OF_ORDER)
    for at, after in pairwise([cut for cut in cuts if cut >= begin]):
        here = [
            step.watermark for steps in partitions for step in steps if step.begin <= at < step.end
        ]
        reached = max(reached, min(mark for mark in here if mark is not None))
        found.append(Step(at, after, reached))
    return found


def closes() -> dict[int, float]:
    """Return per bucket the arrival that closes it: its end is at or below the global watermark."""
    found: dict[int, float] = {}
    for step in global_steps():
        for start in range(0, END, BUCKET):
            if step.watermark is not None and step.watermark >= start + BUCKET:
                found.setdefault(start, step.begin)
    return found


def late(records: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield a partition's late records: their bucket's end is at or below the watermark before."""
    watermark: float | None = None
    for at, event in records:
        if watermark is not None and event - event % BUCKET + BUCKET <= watermark:
            yield at, event
        watermark = max(event - OUT_OF_ORDER, watermark if watermark is not None else -BUCKET)


WIDTH: Final = 1070
HEIGHT: Final = 560
LEFT: Final = 84
RIGHT: Final = 200
TOP: Final = 58
BOTTOM: Final = 84
COLOURS: Final = ("#2f6fc4", "#b36b00")
INK: Final = "#1f2328"
QUIET: Final = "#57606a"
FAULT: Final = "#b3261e"
GLOBAL: Final = "#1a7f37"
BANDS: Final = ("#eef1f4", "#ffffff")
THICK: Final = 'stroke-width="2.5"'
DASH: Final = ' stroke-dasharray="7 4"'


def _x(arrival: float) -> float:
    return round(LEFT + arrival * (WIDTH - LEFT - RIGHT) / END, 1)


def _y(event: float) -> float:
    return round(HEIGHT - BOTTOM - (event + 20) * (HEIGHT - TOP - BOTTOM) / (END + 20), 1)


def _text(x: float, y: float, words: str, **style: object) -> str:
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())
    return f'  <text x="{x:g}" y="{y:g}"{attributes}>{words}</text>'


def _clock(seconds: int) -> str:
    return f"12:{seconds // 60:02}:{seconds % 60:02}".removesuffix(":00")


def _buckets() -> Iterator[str]:
    closed = closes()
    for number, start in enumerate(range(0, END, BUCKET)):
        top, bottom = _y(min(start + BUCKET, END)), _y(start)
        yield (
            f'  <rect x="{LEFT}" y="{top:g}" width="{WIDTH - LEFT - RIGHT}" '
            f'height="{bottom - top:g}" fill="{BANDS[number % 2]}"/>'
        )
        yield _text(LEFT - 10, bottom + 4, _clock(start), text_anchor="end", fill=QUIET)
        middle = (top + bottom) / 2
        name = f"bucket {_clock(start)}"
        yield _text(WIDTH - RIGHT + 14, middle - 2, name, font_weight="bold")
        told = f"closes at {_clock(int(closed[start]))}" if start in closed else "still open"
        yield _text(
            WIDTH - RIGHT + 14, middle + 15, told, fill=GLOBAL if start in closed else QUIET
        )


def _closes() -> Iterator[str]:
    for start, at in closes().items():
        x, y = _x(at), _y(start + BUCKET)
        yield _path(f"M{x:g} {y:g}V{HEIGHT - BOTTOM}", GLOBAL, 1.2, ' stroke-dasharray="3 4"')
        yield f'  <circle cx="{x:g}" cy="{y:g}" r="6" fill="#fff" stroke="{GLOBAL}" {THICK}/>'


def _line(steps: Iterable[Step], colour: str, width: float, *, dashed: bool = False) -> str:
    path, before = "", None
    for step in steps:
        if step.watermark is None:
            before = None
            continue
        y = _y(step.watermark)
        path += f"V{y:g}" if before is not None else f"M{_x(step.begin):g} {y:g}"
        path += f"H{_x(step.end):g}"
        before = step.watermark
    return _path(path, colour, width, DASH if dashed else "")


def _events() -> Iterator[str]:
    for number, records in enumerate(RECORDS):
        missed = set(late(records))
        for at, event in records:
            x, y = _x(at), _y(event)
            colour = FAULT if (at, event) in missed else COLOURS[number]
            shape = (
                f'circle cx="{x:g}" cy="{y:g}" r="5"'
                if number == 0
                else f'rect x="{x - 4.5:g}" y="{y - 4.5:g}" width="9" height="9"'
            )
            yield f'  <{shape} fill="{colour}"/>'


def _notes() -> Iterator[str]:
    x, y = _x(107) + 12, _y(48)
    yield _text(x, y + 4, "late: its watermark", fill=FAULT)
    yield _text(x, y + 21, "was past 12:01", fill=FAULT)
    x, y = _x(72), _y(52)
    yield _path(f"M{x:g} {y + 7:g}V{_y(8):g}", COLOURS[0], 1)
    yield _text(x + 62, _y(8) + 15, "out of order, in time", fill=COLOURS[0], text_anchor="end")
    begin, end, y = _x(90 + IDLE), _x(172), _y(72)
    ends = f"M{begin:g} {y - 6:g}V{y + 6:g}M{begin:g} {y:g}H{end:g}M{end:g} {y - 6:g}V{y + 6:g}"
    yield _path(ends, COLOURS[1], 1.5)
    yield _text(end - 4, y + 19, "idle", fill=COLOURS[1], text_anchor="end")


def _legend() -> Iterator[str]:
    y = 32
    yield f'  <circle cx="{LEFT + 6}" cy="{y - 5}" r="5" fill="{COLOURS[0]}"/>'
    yield _text(LEFT + 18, y, "event on partition 0")
    yield f'  <rect x="{LEFT + 178}" y="{y - 9.5}" width="9" height="9" fill="{COLOURS[1]}"/>'
    yield _text(LEFT + 194, y, "on partition 1")
    yield _path(f"M{LEFT + 314} {y - 9}h30", COLOURS[0], 1.6, DASH)
    yield _path(f"M{LEFT + 314} {y - 2}h30", COLOURS[1], 1.6, DASH)
    yield _text(LEFT + 352, y, "their watermarks")
    yield _path(f"M{LEFT + 496} {y - 5}h30", GLOBAL, 3.5)
    yield _text(LEFT + 534, y, "global watermark: the least of them")


def _path(steps: str, colour: str, width: float, more: str = "") -> str:
    return (
        f'  <path d="{steps}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
        f'stroke-linejoin="round"{more}/>'
    )


def _axes() -> Iterator[str]:
    floor = HEIGHT - BOTTOM
    yield _path(f"M{LEFT} {TOP - 6}V{floor}H{WIDTH - RIGHT}", QUIET, 1)
    for at in range(0, END + 1, 30):
        yield _text(_x(at), floor + 22, _clock(at), text_anchor="middle", fill=QUIET)
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield _text(middle, HEIGHT - 34, "arrival at Kafka", text_anchor="middle", fill=QUIET)
    turned = f"translate(26 {(TOP + floor) / 2:g}) rotate(-90)"
    yield _text(0, 0, "event time", text_anchor="middle", fill=QUIET, transform=turned)
    settings = {
        "bucket_seconds": BUCKET,
        "max_out_of_orderness_seconds": OUT_OF_ORDER,
        "idle_timeout_seconds": IDLE,
    }
    told = ", ".join(f"{name} {value}" for name, value in settings.items())
    yield _text(LEFT, HEIGHT - 12, f"{told}; UTC", fill=QUIET, font_size=12)


def drawing() -> str:
    """Return the whole drawing."""
    title = (
        "Events by arrival and event time, the watermark of each of two partitions a fixed lag "
        "below its latest event, the global watermark as the least of those that are not idle, "
        "and the buckets that it closes as it reaches their ends"
    )
    partitions = [
        _line(partition_steps(records), COLOURS[number], 1.6, dashed=True)
        for number, records in enumerate(RECORDS)
    ]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="system-ui, -apple-system, \'Segoe UI\', sans-serif" font-size="14" '
        f'fill="{INK}" role="img" aria-labelledby="title">',
        f'  <title id="title">{title}</title>',
        "  <!-- Written by `python -m docsite.timeline`. A card of its own colour: reads the same",
        "       on a light and on a dark page. -->",
        f'  <rect x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="12" fill="#ffffff" '
        'stroke="#d0d7de"/>',
        *_legend(),
        *_buckets(),
        *_axes(),
        _line(global_steps(), GLOBAL, 3.5),
        *partitions,
        *_closes(),
        *_events(),
        *_notes(),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(drawing(), encoding="utf-8")
