import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from genrecast.cli import cli
from producer_sim.load.crew import Measured
from producer_sim.load.latencies import Latencies
from producer_sim.load.measuring import Bound, LoadResult, Probe, holds, shown_run
from producer_sim.load.page import load_page
from producer_sim.load.profiles import constant
from producer_sim.load.runner import Result
from producer_sim.load.search import Found


def measured(latency_s: float, *, acknowledged: int = 100, counted: bool = False) -> Measured:
    latencies = Latencies()
    latencies.add(np.linspace(0, 3, 100), np.full(100, latency_s))
    result = Result(planned=100, sent=100, acknowledged=acknowledged, cpu_seconds=0.5)
    result.sent_by_second.update({0: 50, 1: 50})
    return Measured(constant(33.3, 3), latencies, latencies if counted else None, [result])


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--find-max"], "needs --p99"),
        (["--find-max", "--p99", "fast"], "no duration"),
        (["--p99", "0ms"], "no duration"),
        (["--find-max", "--p99", "1s", "--profile", "ramp"], "no --profile"),
        (["--find-max", "--p99", "1s", "--rate", "10", "--max-rate", "5"], "below --rate"),
        (["--to", "5"], "--to goes with"),
        (["--seconds", "3", "--warmup", "3"], "shorter"),
        (["--report", "nowhere/at/all.html"], "no such directory"),
        (["--rate", "0"], "no rate"),
        (["--hot-genre", "crime"], "crime=0.8"),
        (["--hot-genre", "polka=0.5"], "must be one of"),
        (["--silence", "x"], "3@10+30"),
        (["--late", "1.5"], "0<=x<=1"),
    ],
)
def test_wrong_options_are_refused_with_what_is_wrong(arguments: list[str], part: str) -> None:
    done = CliRunner().invoke(cli, ["loadtest", *arguments])
    assert done.exit_code == 2
    assert part in done.output


def test_help_has_examples() -> None:
    done = CliRunner().invoke(cli, ["loadtest", "--help"])
    assert done.exit_code == 0
    assert "genrecast loadtest --find-max --p99 250ms" in done.output


def test_bound_is_held_when_all_was_acknowledged_in_time() -> None:
    bound = Bound(99, 0.25)
    assert holds(measured(0.2), bound)
    assert not holds(measured(0.3), bound)
    assert not holds(measured(0.2, acknowledged=99), bound)
    assert not holds(Measured(constant(1, 1), Latencies(), None, []), bound)


def test_page_is_whole_and_asks_for_nothing_else(tmp_path: Path) -> None:
    probes = [Probe(rate, measured(rate / 1e5), rate < 5e4) for rate in (1e4, 2e4, 8e4)]
    result = LoadResult(probes, Found(2e4, 8e4))
    report = {
        "verdict": "20,000/s holds a p99 of 250 ms",
        "options": {"processes": 2},
        "topic": "<clicks>",
        "runs": [shown_run(probe) for probe in probes],
        "truth": {"sent": 300, "counted": 300, "late": 0, "malformed": 0, "is_exact": True,
                  "doubts": []},
    }  # fmt: skip
    page = load_page(report, result, Bound(99, 0.25))
    assert page.count("<svg") == 4
    assert "&lt;clicks&gt;" in page
    assert "<clicks>" not in page
    assert "20,000 events per second" in page
    assert not re.search(r'(src|href)="(?!#)', page)
    assert not re.search(r"@import|url\((?!#)", page)
