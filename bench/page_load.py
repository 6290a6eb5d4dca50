"""What the dashboard takes in the browser, and how soon a forecast is seen.

    python -m bench.page_load --minutes 10

A real deployment with 50 genres closes a bucket of a minute every second; Chromium shows all of
them. *Published to painted* runs from a forecast's `emitted_at` to the frame after it was painted,
both on this machine's clock. Memory and CPU are those of the page's own process (the renderer);
the whole browser's CPU, with drawing in software, stands beside it.
"""

import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click
import psutil
from playwright.sync_api import Page

from bench.lab import BenchError, Lab, services
from bench.served import browser_processes, chromium_path, served
from bench.spread import percentile
from tests.browser.chromium import chromium

GENRES: Final = 50
BUCKET_SECONDS: Final = 60
SPEED: Final = 60
"""Event time per wall time: a bucket every second, an hour every minute."""

EVENTS_PER_SECOND: Final = 300
BACKLOG_DAYS: Final = 0.1
"""A past of 144 buckets, so that all curves are full."""

WARM_UP_SECONDS: Final = 30.0
WANTED_MS: Final = 300.0
WANTED_MEGABYTES: Final = 150.0
WANTED_CPU_SHARE: Final = 0.10

COLLECT: Final = """() => {
  window.painted = [];
  new PerformanceObserver((list) => {
    for (const { startTime, detail } of list.getEntries())
      if (detail) window.painted.push(performance.timeOrigin + startTime - detail.emittedAt);
  }).observe({ type: "mark" });
}"""
"""Keeps what the page's own marks say of every bucket."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the page takes at one moment; sizes in MB of a million bytes, CPU in seconds so far."""

    heap: float
    own: float
    resident: float
    nodes: float
    page_cpu: float
    browser_cpu: float


@dataclass(frozen=True, slots=True)
class Load:
    """The figures of one run."""

    seconds: float
    buckets: int
    painted_ms_median: float
    painted_ms_p99: float
    page_cpu_share: float
    browser_cpu_share: float
    service_cpu_share: float
    first: Usage
    last: Usage

    def problems(self) -> list[str]:
        """Return what is not as wanted."""
        checks = {
            f"published to painted over {WANTED_MS:g} ms": self.painted_ms_median > WANTED_MS,
            f"own memory over {WANTED_MEGABYTES:g} MB": self.last.own > WANTED_MEGABYTES,
            f"CPU over {WANTED_CPU_SHARE:.0%} of a core": self.page_cpu_share > WANTED_CPU_SHARE,
        }
        return [name for name, is_wrong in checks.items() if is_wrong]


def usage_of(page: Page) -> Usage:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    told = session.send("Performance.getMetrics")["metrics"]
    metrics = {one["name"]: one["value"] for one in told}
    session.detach()
    processes = browser_processes()
    renderer = max(processes["renderer"], key=_cpu_seconds)
    memory = renderer.memory_full_info()
    return Usage(
        heap=metrics["JSHeapUsedSize"] / 1e6,
        own=memory.uss / 1e6,
        resident=memory.rss / 1e6,
        nodes=metrics["Nodes"],
        page_cpu=_cpu_seconds(renderer),
        browser_cpu=sum(_cpu_seconds(one) for kind in processes.values() for one in kind),
    )


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def measure(lab: Lab, seconds: float, where: str) -> Load:
    genres = lab.folder / "genres.json"
    genres.write_text(json.dumps([{"name": f"genre {n + 1}"} for n in range(GENRES)]))
    traffic = (
        f"--genres={genres}", f"--rate={EVENTS_PER_SECOND}", f"--speed={SPEED}",
        "--start=2026-01-05", f"--backlog-days={BACKLOG_DAYS}",
    )  # fmt: skip
    with (
        chromium(chromium_path()) as browser,
        served(lab, traffic, bucket_seconds=BUCKET_SECONDS) as site,
    ):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(site.url + where)
        page.wait_for_selector("[data-connection=live]")
        page.wait_for_timeout(WARM_UP_SECONDS * 1000)
        page.evaluate(COLLECT)
        service = psutil.Process(site.service.pid)
        first, began, spent = usage_of(page), time.monotonic(), _cpu_seconds(service)
        page.wait_for_timeout(seconds * 1000)
        last, took = usage_of(page), time.monotonic() - began
        delays: list[float] = page.evaluate("window.painted")
        spent = _cpu_seconds(service) - spent
    if len(delays) < seconds / 4:
        raise BenchError(f"only {len(delays)} buckets were painted in {took:.0f} s")
    return Load(
        seconds=took,
        buckets=len(delays),
        painted_ms_median=statistics.median(delays),
        painted_ms_p99=percentile(delays, 99),
        page_cpu_share=(last.page_cpu - first.page_cpu) / took,
        browser_cpu_share=(last.browser_cpu - first.browser_cpu) / took,
        service_cpu_share=spent / took,
        first=first,
        last=last,
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--minutes", type=click.FloatRange(min=0.5), default=10.0, show_default=True)
@click.option("--view", default="#/", show_default=True, help="Such as #/genre/genre%201.")
def main(*, minutes: float, view: str) -> None:
    """Measure the page beside a real deployment; exit 1 when it takes more than is wanted.

    \b
    Examples:
      python -m bench.page_load
      python -m bench.page_load --minutes 60 --view '#/pipeline'
    """  # noqa: D301 (click reads the control character)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="genrecast-bench-") as folder,
            services(None, None, Path(folder)) as (kafka, redis),
        ):
            load = measure(Lab(kafka, redis, Path(folder)), minutes * 60, view)
    except BenchError as error:
        sys.exit(f"bench.page_load: {error}")
    print(json.dumps(asdict(load), indent=2))
    sys.exit("; ".join(load.problems()) or 0)


if __name__ == "__main__":
    main()
