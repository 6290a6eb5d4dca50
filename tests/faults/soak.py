"""Random faults on real processes, servers and links, then the exactness report.

    python -m tests.faults.soak --seconds 1800 --seed 7
    python -m tests.faults.soak --schedules 500 --lanes 4

The first form is one long schedule: 4 consumers, 8 partitions, a fault about every 5 s. The second
is many short ones, several deployments at a time on one broker and one Redis. A seed repeats its
schedule; a failure prints it and where the logs are, and ends with status 1.
"""

import argparse
import random
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tests.faults.chaos import Chaos
from tests.faults.lab import Lab, laboratory
from tests.faults.oracle import Outcome
from tests.faults.schedule import Act, draw
from tests.faults.trial import Trial

LOGS: Final = Path("build/soak")
"""Where the logs of a failed run stay."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large and how wild a round is.

    Attributes:
        seconds: Faults begin within it.
        every_seconds: Mean time between faults, of all lanes together.
        lanes: Deployments at a time.
        consumers: Consumers of each.
        partitions: Partitions of each clicks topic.
        rate: Events per second of each.
        speed: Event time per wall time.
    """

    seconds: float
    every_seconds: float
    lanes: int
    consumers: int
    partitions: int
    rate: int
    speed: int


def soak_shape(seconds: float) -> Shape:
    """One deployment for long."""
    return Shape(seconds, 5.0, 1, consumers=4, partitions=8, rate=400, speed=60)


def short_shape(lanes: int) -> Shape:
    """Several deployments, about four faults for each in ten seconds."""
    return Shape(9.0, 2.2 / lanes, lanes, consumers=2, partitions=3, rate=400, speed=150)


class RoundFailedError(Exception):
    """A round did not end exact."""


class Round:
    """One schedule over fresh deployments, drained and checked."""

    def __init__(self, lab: Lab, seed: int, shape: Shape, logs: Path) -> None:
        self.seed = seed
        self.shape = shape
        self.acts = draw(
            seed, seconds=shape.seconds, every_seconds=shape.every_seconds, lanes=shape.lanes
        )
        self._lab = lab
        self._logs = logs
        self.trials: list[Trial] = []
        self.chaos = Chaos(lab, self.trials, shape.consumers)

    def run(self, progress: Progress, task: TaskID) -> list[Outcome]:
        """Run it.

        Raises:
            RoundFailedError: With seed, schedule, cause and the logs' place.
        """
        began = time.monotonic()

        def on_act(act: Act) -> None:
            consumers = sum(len(trial.running()) for trial in self.trials)
            told = (
                f"fault {len(self.chaos.done) + 1}: {act.name} {act.point}; {consumers} consumers"
            )
            progress.update(task, completed=time.monotonic() - began, last=told)

        try:
            self._begin()
            self.chaos.run(self.acts, on_act)
            progress.update(task, last="draining")
            outcomes = [trial.assert_exact(may_doubt=True) for trial in self.trials]
        except Exception as error:
            raise RoundFailedError(self._tell(error)) from error
        finally:
            for trial in self.trials:
                trial.end()
        for trial in self.trials:
            trial.delete_topics()
        shutil.rmtree(self._logs, ignore_errors=True)
        return outcomes

    def _begin(self) -> None:
        shape = self.shape
        for lane in range(shape.lanes):
            trial = Trial(
                self._lab,
                self._logs / f"lane-{lane}",
                database=lane,
                partitions=shape.partitions,
            )
            self.trials.append(trial)
        self.chaos.replace_dead()
        for lane, trial in enumerate(self.trials):
            trial.simulate(
                "--rate", shape.rate, "--speed", shape.speed, "--seconds", shape.seconds,
                "--seed", (self.seed + lane) % 2**31, "--start", "2026-03-02T18:00",
                "--disorder-seconds", 5, "--late", 0.01, "--malformed", 0.005,
            )  # fmt: skip

    def _tell(self, error: Exception) -> str:
        done = "\n".join(f"  {act}" for act in self.chaos.done)
        return (
            f"seed {self.seed} is NOT exact: {type(error).__name__}: {error}\n"
            f"faults that were made:\n{done}\nlogs: {self._logs.absolute()}"
        )


def tell_outcomes(outcomes: list[Outcome], console: Console, faults: int) -> None:
    """Print what was exact."""
    clicks = sum(len(outcome.clicks) for outcome in outcomes)
    buckets = sum(len(outcome.journal) for outcome in outcomes)
    late = sum(len({dict(r.headers)["genrecast-offset"] for r in o.late}) for o in outcomes)
    dead = sum(len({dict(r.headers)["genrecast-offset"] for r in o.dead_letters}) for o in outcomes)
    console.print(
        f"exact: {clicks:,} records, {buckets:,} buckets, each once and in order; {late:,} late "
        f"and {dead:,} dead-letter offsets; {faults:,} acts of faults"
    )


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", type=int, help="repeats a schedule; drawn when not given")
    parser.add_argument("--schedules", type=int, metavar="N", help="N short schedules instead")
    parser.add_argument("--lanes", type=int, default=4, help="of them at a time")
    return parser.parse_args(arguments)


def run(asked: argparse.Namespace, console: Console) -> int:
    """Run all rounds; return the exit status."""
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**9)
    is_short = asked.schedules is not None
    shape = short_shape(asked.lanes) if is_short else soak_shape(asked.seconds)
    rounds = -(-asked.schedules // shape.lanes) if is_short else 1
    console.print(f"seed {seed}: {rounds} rounds of {shape}")
    what, last = TextColumn("{task.description}"), TextColumn("{task.fields[last]}")
    columns = (what, BarColumn(), TimeElapsedColumn(), last)
    outcomes: list[Outcome] = []
    faults = exact = 0
    servers = (LOGS / f"servers-{seed}").absolute()
    with laboratory(servers) as lab, Progress(*columns, console=console) as progress:
        for number in range(rounds):
            task = progress.add_task(f"seed {seed + number}", total=shape.seconds, last="")
            a_round = Round(lab, seed + number, shape, LOGS / f"seed-{seed + number}")
            try:
                outcomes = a_round.run(progress, task)
            except RoundFailedError as error:
                console.print(str(error), markup=False, soft_wrap=True)
                console.print(f"broker and Redis: {servers}", soft_wrap=True)
                console.print(
                    f"again: python -m tests.faults.soak --seed {seed + number} "
                    + (f"--schedules {shape.lanes} --lanes {shape.lanes}" if is_short
                       else f"--seconds {asked.seconds:g}")
                )  # fmt: skip
                return 1
            faults += len(a_round.chaos.done)
            exact += shape.lanes
            progress.remove_task(task)
            tell_outcomes(outcomes, console, len(a_round.chaos.done))
    shutil.rmtree(servers, ignore_errors=True)
    console.print(f"{exact} schedules in a row exact, {faults} acts of faults, from seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(run(options(), Console(stderr=True, highlight=False)))
