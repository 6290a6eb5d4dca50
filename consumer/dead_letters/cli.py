"""`genrecast dead-letters`: what is there and why, and sending it again."""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click

from consumer.command_parts import EXIT_FAILED, one_message, progress_bars
from contracts.moments import Moment
from contracts.options import KAFKA_CONNECTION, REDIS_CONNECTION, with_settings
from contracts.settings import Settings

if TYPE_CHECKING:
    from consumer.dead_letters.letters import Place
    from consumer.dead_letters.selection import OffsetRange, Selection

TOPICS: Final = ("app", *KAFKA_CONNECTION, "topic_clicks", "topic_dead_letter", "topic_replayed")
"""Settings that reading letters and ledger takes."""

RULES: Final = (
    "bucket_seconds", "max_out_of_orderness_seconds", "max_future_skew_seconds", "max_event_bytes",
    "dedup",
)  # fmt: skip
"""Settings that letters are judged by."""


class Offsets(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """An option that is a range of offsets."""

    name = "FIRST-LAST"

    def convert(self, value: Any, param: Any, ctx: Any) -> "OffsetRange":  # noqa: ANN401
        """Parse a range."""
        from consumer.dead_letters.selection import OffsetRange

        try:
            return OffsetRange.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class LetterPlace(click.ParamType):  # type: ignore[type-arg]
    """An argument that is the place of a letter."""

    name = "PARTITION:OFFSET"

    def convert(self, value: Any, param: Any, ctx: Any) -> "Place":  # noqa: ANN401
        """Parse a place."""
        from consumer.dead_letters.letters import Place

        try:
            return Place.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that choose letters."""
    options = (
        click.option("--reason", default="", metavar="TEXT", help="Text in the reason."),
        click.option(
            "--partition", "partitions", multiple=True, type=click.IntRange(min=0), metavar="P",
            help="Partition of the dead-letter topic; repeatable.",
        ),
        click.option("--since", type=Moment(), help="Put aside from then on; ISO (UTC) or epoch."),
        click.option("--until", type=Moment(), help="Put aside before that; ISO (UTC) or epoch."),
        click.option(
            "--offset", "offsets", multiple=True, type=Offsets(),
            help="Offsets on the dead-letter topic: 7, 7-9, 7- or -9; repeatable.",
        ),
        click.option("--limit", type=click.IntRange(min=1), metavar="N", help="So many at most."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _selection(
    *,
    reason: str,
    partitions: Iterable[int],
    since: int | None,
    until: int | None,
    offsets: "tuple[OffsetRange, ...]",
) -> "Selection":
    from consumer.dead_letters.selection import Selection

    return Selection(reason, frozenset(partitions), since, until, offsets)


@click.group("dead-letters")
def dead_letters() -> None:
    """Records that were no click events: look at them, send them again.

    A record that is no click event goes to the dead-letter topic, as it came, with the reason.
    When the rules have changed since (a higher GENRECAST_MAX_EVENT_BYTES, another release) it
    may be one now: replay sends such letters to the clicks topic again, each one once.

    \b
    Examples:
      genrecast dead-letters ls --since 2026-01-31T20:00
      genrecast dead-letters show 3:1042
      genrecast dead-letters replay
      genrecast dead-letters replay --reason "value: N bytes" --yes
    """  # noqa: D301 (click reads the control character)


@dead_letters.command("ls")
@_selecting
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@with_settings(*TOPICS)
def list_(
    settings: Settings,
    *,
    limit: int | None,
    as_json: bool,
    **chosen: Any,  # noqa: ANN401
) -> None:
    """List dead letters by reason: how many, where, from when to when, how many were sent again.

    Reads the topic up to its end as of now. Numbers in reasons are shown as N. --limit looks at
    the first so many that fit.

    \b
    Examples:
      genrecast dead-letters ls
      genrecast dead-letters ls --reason genres --partition 3 --offset 1000-
      genrecast dead-letters ls --since 2026-01-31 --until 2026-02-01 --json | jq .letters
    """  # noqa: D301
    from itertools import islice

    from consumer.dead_letters.ledger import read_ledger
    from consumer.dead_letters.listing import list_letters
    from consumer.dead_letters.selection import select_letters

    with one_message("dead-letters ls"), progress_bars() as progress:
        replayed = read_ledger(settings, progress(settings.topic_replayed))
        on_progress = progress(settings.topic_dead_letter)
        letters = select_letters(settings, _selection(**chosen), on_progress)
        listing = list_letters(islice(letters, limit), replayed)
    if as_json:
        click.echo(json.dumps(listing.as_json(), indent=2))
        return
    from consumer.dead_letters.text import show_listing

    show_listing(listing)


@dead_letters.command("show")
@click.argument("place", type=LetterPlace(), metavar="PARTITION:OFFSET")
@click.option(
    "--bytes", "shown_bytes", type=click.IntRange(min=0), default=512, show_default=True,
    metavar="N", help="Show so many bytes of the value; 0 for all.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON document; all bytes as base64.")
@with_settings(*TOPICS, "max_event_bytes")
def show(settings: Settings, *, place: "Place", shown_bytes: int, as_json: bool) -> None:
    """Show one dead letter: its bytes, where it came from, what is wrong, what to change.

    PARTITION:OFFSET is its place on the dead-letter topic, as ls shows it. Whatever it holds, no
    control character reaches the terminal.

    \b
    Examples:
      genrecast dead-letters show 3:1042
      genrecast dead-letters show 3:1042 --bytes 0
      genrecast dead-letters show 3:1042 --json | jq -r .value_base64 | base64 -d
    """  # noqa: D301
    from consumer.dead_letters.advice import contract_faults
    from consumer.dead_letters.ledger import read_ledger
    from consumer.dead_letters.selection import OffsetRange, Selection, select_letters
    from consumer.dead_letters.text import letter_as_json, show_letter

    offsets = (OffsetRange(place.offset, place.offset),)
    chosen = Selection(partitions=frozenset({place.partition}), offsets=offsets)
    with one_message("dead-letters show"):
        letter = next(iter(select_letters(settings, chosen)), None)
        replayed = read_ledger(settings)
    if letter is None:
        topic = settings.topic_dead_letter
        click.echo(f"genrecast dead-letters show: nothing at {place} of {topic}", err=True)
        sys.exit(EXIT_FAILED)
    faults = contract_faults(letter, settings)
    is_replayed = letter.origin is not None and letter.origin in replayed
    if as_json:
        told = letter_as_json(letter, faults, is_replayed=is_replayed)
        click.echo(json.dumps(told, indent=2))
    else:
        show_letter(letter, faults, is_replayed=is_replayed, shown_bytes=shown_bytes)


@dead_letters.command("replay")
@_selecting
@click.option("--dry-run", is_flag=True, help="Only say what would happen: the default.")
@click.option("--yes", is_flag=True, help="Send them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@with_settings(*TOPICS, *REDIS_CONNECTION, *RULES)
def replay(
    settings: Settings,
    *,
    limit: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **chosen: Any,  # noqa: ANN401
) -> None:
    """Send dead letters that the contract takes now to the clicks topic again, each one once.

    Without --yes it says what would happen and sends nothing: how many would be counted, how many
    are late because their bucket is closed, how many are refused still. Give it the settings that
    the consumers have. However often it runs, is interrupted or killed, a letter is sent once.
    --limit sends so many at most. Letters that are larger than the topic takes are left out, and
    it exits 1.

    \b
    Examples:
      genrecast dead-letters replay
      genrecast dead-letters replay --max-event-bytes 262144 --yes
      genrecast dead-letters replay --reason genres --since 2026-01-31T20:00 --limit 100 --yes
    """  # noqa: D301
    if dry_run and yes:
        raise click.UsageError("--dry-run and --yes exclude each other")
    from consumer.dead_letters.replay import replay as send
    from consumer.dead_letters.sending import Tally
    from consumer.dead_letters.text import show_tally
    from consumer.errors import FencedError

    tally = Tally()
    ended = _ended_by_signals() if yes else threading.Event()
    with one_message("dead-letters replay"), progress_bars() as progress:
        try:
            send(
                settings, _selection(**chosen), tally, progress,
                is_real=yes, limit=limit, should_stop=ended.is_set,
            )  # fmt: skip
        except FencedError as error:
            click.echo(
                f"genrecast dead-letters replay: {error}; {tally.sent:,} were sent before. Run it "
                "again: what was sent is not sent twice",
                err=True,
            )
            sys.exit(EXIT_FAILED)
    if as_json:
        click.echo(json.dumps({"is_dry_run": not yes, **tally.as_json()}, indent=2))
    else:
        show_tally(tally, is_real=yes)
    too_large = tally.outcomes["too_large"]
    if too_large:
        click.echo(
            f"genrecast dead-letters replay: {too_large:,} left out: {settings.topic_clicks} takes "
            "no records as large; raise its max.message.bytes and run it again",
            err=True,
        )
    if ended.is_set():
        told = "ended early; run it again for the rest"
        click.echo(f"genrecast dead-letters replay: {told}", err=True)
    if too_large or ended.is_set():
        sys.exit(EXIT_FAILED)


def _ended_by_signals() -> threading.Event:
    """Have Ctrl-C and SIGTERM end a replay between two transactions; return what they set."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return ended
