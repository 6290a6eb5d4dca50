"""Run many schedules: `python -m tests.property.protocol --schedules 10000 --store memory`."""

import argparse
import collections
import contextlib
import sys
import time

from tests.property.protocol.ablations import RULES
from tests.property.protocol.running import Run, runner, smallest
from tests.property.protocol.schedule import Schedule, schedule_of


def main() -> int:
    """Run schedules from a seed on; print the first that fails, made small, and its trace."""
    parser = argparse.ArgumentParser(prog="python -m tests.property.protocol")
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--store", choices=("memory", "redis"), default="memory")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--trace", type=int, metavar="SEED", help="run this one and tell all")
    parser.add_argument("--without", choices=RULES, metavar="RULE", help=", ".join(RULES))
    options = parser.parse_args()
    rule = RULES[options.without]() if options.without else contextlib.nullcontext()
    with rule, runner(options.store) as run:
        if options.trace is not None:
            return _tell(run, schedule_of(options.trace))
        return _campaign(run, range(options.seed, options.seed + options.schedules))


def _campaign(run: Run, seeds: range) -> int:
    counts: collections.Counter[str] = collections.Counter()
    began = time.monotonic()
    for done, seed in enumerate(seeds, 1):
        violations, world = run(schedule_of(seed), None)
        counts += world.counts
        counts["buckets"] += len(world.broker.published)
        counts["records"] += sum(p.end for p in world.broker.partitions)
        if violations:
            print(f"\nseed {seed}:", *violations, sep="\n  ")
            return _tell(run, smallest(run, schedule_of(seed)))
        if done % 50 == 0 or done == len(seeds):
            rate = done / (time.monotonic() - began)
            print(f"\r{done} schedules, {rate:.1f}/s, seed {seed}", end="", file=sys.stderr)
    seconds = time.monotonic() - began
    print(f"\n{len(seeds)} schedules clean in {seconds:.0f} s (seeds {seeds.start} on):", end=" ")
    print(", ".join(f"{count} {name}" for name, count in counts.most_common()))
    return 0


def _tell(run: Run, schedule: Schedule) -> int:
    print(schedule)
    violations, _ = run(schedule, print)
    print("\n".join(violations) or "no violation")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
