"""Every target in turns, with new examples, until the time is over: `python -m tests.fuzz`.

    make fuzz SECONDS=300

A broken promise ends it with the example, the smallest that was found, and exit 1.
"""

import argparse
import logging
import sys
import time
from typing import Final

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.targets import all_targets

EXAMPLES: Final = 200
"""Examples of a target before the next one's turn."""


def main() -> None:
    """Run for as long as is asked for."""
    parser = argparse.ArgumentParser(description="Fuzz all that reads bytes from outside.")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=None, help="another one draws other examples")
    parser.add_argument("--only", metavar="TEXT", default="", help="targets with this in the name")
    asked = parser.parse_args()
    number = time.time_ns() % 2**32 if asked.seed is None else asked.seed
    sys.stdout.write(f"seed {number}\n")
    logging.disable(logging.CRITICAL)  # what refuses bytes says so
    deadline = time.monotonic() + asked.seconds
    counts: dict[str, int] = {}
    quiet = settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    with all_targets() as targets:
        chosen = {name: target for name, target in targets.items() if asked.only in name}
        while chosen and time.monotonic() < deadline:
            for name, target in chosen.items():
                seed(number)(quiet(given(target.strategy)(target.check)))()
                counts[name] = counts.get(name, 0) + EXAMPLES
                number += 1
                if time.monotonic() >= deadline:
                    break
    for name, count in counts.items():
        sys.stdout.write(f"{count:>9,}  {name}\n")


if __name__ == "__main__":
    main()
