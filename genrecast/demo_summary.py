"""The demo's reckoning: what was sent against what was counted, genre by genre."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from contracts.forecasts import GenreForecast


@dataclass(frozen=True, slots=True)
class Summary:
    """Both sides of the books.

    Attributes:
        sent: Records acknowledged by Kafka.
        expected: Per genre the events that the simulator says must count.
        observed: Per genre the sum of `observed_clicks` over all published buckets.
        late: (expected, found) late events; `dead_letters`: records that are no events.
        counted: (expected, found) events that count.
        doubts: Why the simulator's side may not be exact.
    """

    sent: int
    expected: dict[str, int]
    observed: dict[str, int]
    counted: tuple[int, int]
    late: tuple[int, int]
    dead_letters: tuple[int, int]
    buckets: int
    doubts: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        """Whether both sides agree in everything."""
        pairs = (self.counted, self.late, self.dead_letters)
        found = sum(pair[1] for pair in pairs)
        are_equal = all(expected == observed for expected, observed in pairs)
        return (
            are_equal and found == self.sent and self.expected == self.observed and not self.doubts
        )


def summarise(
    truth: Mapping[str, Any], forecasts: Sequence[GenreForecast], totals: Mapping[str, int]
) -> Summary:
    """Hold the simulator's truth report against the published forecasts and Redis' totals."""
    observed: Counter[str] = Counter()
    for forecast in forecasts:
        observed[forecast.genre] += forecast.observed_clicks
    return Summary(
        sent=int(truth["sent"]),
        expected={genre: n for genre, n in truth["counted_per_genre"].items() if n},
        observed={genre: n for genre, n in observed.items() if n},
        counted=(int(truth["counted"]), totals.get("counted", 0)),
        late=(int(truth["late"]), totals.get("late", 0)),
        dead_letters=(int(truth["malformed"]), totals.get("dead_letters", 0)),
        buckets=len({forecast.bucket_start for forecast in forecasts}),
        doubts=tuple(truth["doubts"]),
    )


def print_summary(summary: Summary, console: Console) -> None:
    """Print the books and the verdict."""
    table = Table("genre", "sent in time", "counted", "", box=None, header_style="bold")
    for column in table.columns[1:3]:
        column.justify = "right"
    for genre in sorted(summary.expected.keys() | summary.observed.keys()):
        expected, observed = summary.expected.get(genre, 0), summary.observed.get(genre, 0)
        verdict = "[green]equal[/]" if expected == observed else "[red]DIFFERENT[/]"
        table.add_row(genre, f"{expected:,}", f"{observed:,}", verdict)
    console.print(table)
    counted, late, dead = summary.counted[1], summary.late[1], summary.dead_letters[1]
    console.print(
        f"{summary.sent:,} events in = {counted:,} counted + {late:,} late + {dead:,} dead letters,"
        f" over {summary.buckets:,} buckets"
    )
    if summary.is_exact:
        console.print("[bold green]Exact:[/] every event is accounted for, genre by genre.")
        return
    console.print("[bold red]NOT exact.[/]")
    pairs = {"counted": summary.counted, "late": summary.late, "dead letters": summary.dead_letters}
    for name, (expected, found) in pairs.items():
        if expected != found:
            console.print(f"  {name}: {found:,}, but the simulator says {expected:,}")
    for doubt in summary.doubts:
        console.print(f"  in doubt: {doubt}", markup=False)
