"""Dead letters as people read them; what producers wrote reaches the terminal escaped."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.dead_letters.advice import advice
from consumer.dead_letters.escaping import hex_dump, printable, printable_bytes
from consumer.dead_letters.letters import Letter
from consumer.dead_letters.listing import Listing
from consumer.dead_letters.sending import Tally
from contracts.moments import moment_text

_OUTCOMES = (
    ("counted", "counted in their buckets"),
    ("late", "late: their buckets are closed"),
    ("duplicate", "duplicates of counted events"),
    ("impression", "impressions, which count in no genre"),
)

_KEPT = (
    ("replayed", "sent before"),
    ("refused", "refused still"),
    ("too_large", "larger than the topic of clicks takes: raise its max.message.bytes"),
    ("unsettled", "about to be read anew by the consumers"),
    ("cut", "cut off: only their beginning is there"),
    ("elsewhere", "of another topic or a partition that is no more"),
    ("unknown", "not put there by genrecast"),
    ("copy", "copies"),
)


def show_listing(listing: Listing) -> None:
    """Print a listing to stdout."""
    columns = ("reason", "letters", "sent again", "partitions", "first, last (UTC)", "example")
    table = Table(*columns, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.no_wrap = True
    for column in table.columns[1:3]:
        column.justify = "right"
    for name, kind in listing.ordered():
        table.add_row(
            Text(printable(name)),
            f"{kind.letters:,}",
            f"{kind.replayed:,}",
            _ranges(kind.partitions),
            "\n".join(moment_text(at).removesuffix(" UTC") for at in (kind.first_ms, kind.last_ms)),
            str(kind.example),
        )
    if listing.kinds:
        Console(highlight=False).print(table)
    copies = f", {listing.copies:,} copies" if listing.copies else ""
    click.echo(f"{listing.letters:,} dead letters{copies}, {listing.replayed:,} sent again")


def _ranges(numbers: Iterable[int]) -> str:
    """Return numbers as people write them.

    >>> _ranges({0, 1, 2, 5, 7, 8})
    '0-2 5 7-8'
    """
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        begin = runs.pop()[0] if runs and runs[-1][1] == number - 1 else number
        runs.append((begin, number))
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def show_letter(
    letter: Letter, faults: Sequence[str], *, is_replayed: bool, shown_bytes: int
) -> None:
    """Print one letter to stdout.

    Args:
        letter: The letter.
        faults: What the contract has against its value now.
        is_replayed: Whether it was sent again.
        shown_bytes: How many bytes of the value; 0 for all.
    """
    for line in _letter_lines(letter, faults, is_replayed=is_replayed, shown_bytes=shown_bytes):
        click.echo(line)


def _letter_lines(
    letter: Letter, faults: Sequence[str], *, is_replayed: bool, shown_bytes: int
) -> Iterator[str]:
    yield f"letter      {letter.place}, put aside {moment_text(letter.put_aside_ms)}"
    if letter.origin is None:
        yield "came from   unknown"
    else:
        topic, partition, offset = letter.origin
        yield f"came from   {printable(topic)}, partition {partition}, offset {offset}"
        yield f"written     {moment_text(letter.origin_ms)}"
    yield f"sent again  {'yes' if is_replayed else 'no'}"
    yield f"reason      {printable(letter.reason)}"
    for fault in faults:
        yield f"now         {printable(fault)}"
    for what in advice(letter, faults):
        yield f"change      {printable(what)}"
    yield f"key         {'none' if letter.key is None else printable_bytes(letter.key)}"
    for name, value in letter.headers:
        yield f"header      {printable(name)}: {printable_bytes(value)}"
    yield from _value_lines(letter, shown_bytes)


def _value_lines(letter: Letter, shown_bytes: int) -> Iterator[str]:
    if letter.value is None:
        yield "value       none: a tombstone"
        return
    size = len(letter.value)
    shown = letter.value[: shown_bytes or size]
    cut = f" of {letter.cut_from_bytes:,}: cut off" if letter.cut_from_bytes is not None else ""
    part = f", the first {len(shown):,} shown" if len(shown) < size else ""
    yield f"value       {size:,} bytes{cut}{part}"
    yield f"  {printable_bytes(shown)}"
    for row in hex_dump(shown):
        yield f"  {row}"


def letter_as_json(letter: Letter, faults: Sequence[str], *, is_replayed: bool) -> dict[str, Any]:
    """Return a letter as plain values, all bytes as base64."""
    origin = letter.origin
    return {
        "place": str(letter.place),
        "put_aside_ms": letter.put_aside_ms,
        "topic": origin and origin.topic,
        "partition": origin and origin.partition,
        "offset": origin and origin.offset,
        "timestamp_ms": letter.origin_ms,
        "is_replayed": is_replayed,
        "reason": letter.reason,
        "faults_now": list(faults),
        "advice": advice(letter, faults),
        "cut_from_bytes": letter.cut_from_bytes,
        "headers": [[name, _base64(value)] for name, value in letter.headers],
        "key_base64": _base64(letter.key),
        "value_base64": _base64(letter.value),
    }


def _base64(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def show_tally(tally: Tally, *, is_real: bool) -> None:
    """Print what became of letters, or would, to stdout."""
    click.echo(f"{tally.sent:,} dead letters {'sent' if is_real else 'would be sent'} again")
    for name, meaning in _OUTCOMES:
        if tally.outcomes[name]:
            click.echo(f"  {tally.outcomes[name]:>9,}  {meaning}")
    kept = [(name, meaning) for name, meaning in _KEPT if tally.outcomes[name]]
    if kept:
        click.echo(f"{sum(tally.outcomes[name] for name, _ in kept):,} not sent")
    for name, meaning in kept:
        click.echo(f"  {tally.outcomes[name]:>9,}  {meaning}")
        if name == "refused":
            for kind, count in tally.refusals.most_common():
                click.echo(f"  {count:>13,}  {printable(kind)}")
    if not is_real and tally.sent:
        click.echo("Nothing was sent: --yes does it.")
