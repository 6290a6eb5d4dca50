"""Clicks in, exact counts and forecasts out, with a consumer killed on the way."""

import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from contracts.alerts import GenreAlert
from contracts.forecasts import GenreForecast
from contracts.metrics import BY_NAME
from stack.ports import pick_port
from stack.runner import Endpoints
from tests.alert_oracle import changes, expected_changes
from tests.deployment import (
    PATIENCE_SECONDS,
    Deployment,
    assert_each_bucket_once_in_order,
    deployment,
    observed_per_genre,
    read_report,
)
from tests.faults.lab import wait_for

MANY_ALERTS: dict[str, object] = {
    "alerts": "all", "alert_raise_buckets": 1, "alert_raise_of": 1, "alert_clear_buckets": 1,
}  # fmt: skip
"""Every bucket beyond its interval raises, every one inside clears."""


@pytest.mark.services
@pytest.mark.timeout(600)
def test_counts_are_exact_when_a_consumer_is_killed_in_the_middle(
    any_services: Endpoints, tmp_path: Path
) -> None:
    report_file, port = tmp_path / "truth.json", pick_port()
    with deployment(
        any_services.kafka_bootstrap, any_services.redis_url, tmp_path / "logs",
        bucket_seconds=60, **MANY_ALERTS,
    ) as d:  # fmt: skip
        d.make_topics()
        survivor, victim = d.start("consume", "--health-port", port), d.start("consume")
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
        # The victim may have held every partition, and is missed only after some seconds.
        wait_for(lambda: shows_its_work(measured(port)), "the survivor applies, and shows its lag")
        assert_measures_what_the_list_says(port)
        survivor.terminate()
        assert survivor.wait(timeout=PATIENCE_SECONDS) == 0, d.log_text()
        d.finish()

        report = read_report(report_file)
        assert report["is_exact"], report
        forecasts = d.forecasts()
        assert observed_per_genre(forecasts) == {
            genre: n for genre, n in report["counted_per_genre"].items() if n
        }
        assert_each_bucket_once_in_order(forecasts, 60_000)

        assert_alerts_are_those_of_the_forecasts(d, forecasts)
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


def assert_alerts_are_those_of_the_forecasts(
    d: Deployment, forecasts: Sequence[GenreForecast]
) -> None:
    """Each alert is told once and in the order of buckets, whoever published it."""
    alerts = [GenreAlert.model_validate_json(r.value) for r in d.read_topic("topic_alerts")]
    expected = expected_changes(forecasts, d.settings)
    assert expected
    assert sorted(changes(alerts)) == expected
    assert [a.bucket_start for a in alerts] == sorted(a.bucket_start for a in alerts)


def measured(port: int) -> dict[str, Metric]:
    """A running consumer's own metrics, by the names of the list."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        if not name.startswith(("process_", "python_")):
            found[name] = family
    return found


def shows_its_work(found: dict[str, Metric]) -> bool:
    """Whether the consumer has applied counts and has told how far behind its partitions are."""
    applied = sum(
        sample.value
        for sample in found["genrecast_redis_script_seconds"].samples
        if sample.name.endswith("_count") and sample.labels["script"] == "apply"
    )
    return applied > 0 and bool(found["genrecast_lag_records"].samples)


def assert_measures_what_the_list_says(port: int) -> None:
    """A running consumer's `/metrics` parses, and names nothing that is not on the list."""
    found = measured(port)
    assert shows_its_work(found)
    assert found.keys() <= BY_NAME.keys()
    for name, family in found.items():
        labels = {label for sample in family.samples for label in sample.labels}
        assert (family.type, labels - {"le"} <= {*BY_NAME[name].labels}) == (
            BY_NAME[name].kind, True,
        )  # fmt: skip
