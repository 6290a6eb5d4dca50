"""Clicks in, exact counts and forecasts out, with a consumer killed on the way."""

import time
from pathlib import Path

import pytest

from stack.runner import Endpoints
from tests.deployment import (
    assert_each_bucket_once_in_order,
    deployment,
    observed_per_genre,
    read_report,
)


@pytest.mark.services
@pytest.mark.timeout(600)
def test_counts_are_exact_when_a_consumer_is_killed_in_the_middle(
    any_services: Endpoints, tmp_path: Path
) -> None:
    report_file = tmp_path / "truth.json"
    with deployment(
        any_services.kafka_bootstrap, any_services.redis_url, tmp_path / "logs", bucket_seconds=60
    ) as d:
        d.make_topics()
        survivor, victim = d.start("consume"), d.start("consume")
        simulator = d.start(
            "simulate", "--events", 200_000, "--rate", 12_000, "--speed", 400,
            "--start", "2026-03-02T18:00", "--seed", 7, "--disorder-seconds", 5, "--late", 0.01,
            "--malformed", 0.005, "--report", report_file,
        )  # fmt: skip
        while d.totals().get("counted", 0) < 60_000:
            assert simulator.poll() is None or simulator.returncode == 0, d.log_text()
            time.sleep(0.05)
        victim.kill()
        assert simulator.wait(timeout=300) == 0, d.log_text()
        survivor.terminate()
        assert survivor.wait(timeout=60) == 0, d.log_text()
        d.finish()

        report = read_report(report_file)
        assert report["is_exact"], report
        forecasts = d.forecasts()
        assert observed_per_genre(forecasts) == {
            genre: n for genre, n in report["counted_per_genre"].items() if n
        }
        assert_each_bucket_once_in_order(forecasts, 60_000)

        origins = {
            (h["genrecast-partition"], h["genrecast-offset"])
            for h in (dict(r.headers) for r in d.read_topic("topic_dead_letter"))
        }
        assert len(origins) == report["malformed"]
        late = {
            (h["genrecast-partition"], h["genrecast-offset"])
            for h in (dict(r.headers) for r in d.read_topic("topic_late"))
        }
        assert len(late) == report["late"]
        totals = d.totals()
        assert totals["counted"] + totals["late"] + totals["dead_letters"] == report["sent"]
