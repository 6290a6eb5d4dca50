"""The loop closed on real services: shown, clicked, counted, and told by the report."""

import json
from collections import Counter
from pathlib import Path

import pytest

from contracts.events import IMPRESSION, ClickEvent
from contracts.holdout import Holdout
from stack.runner import Endpoints
from state.redis_store import RedisStore
from tests.deployment import PATIENCE_SECONDS, deployment, read_report
from tests.faults.oracle import assert_exact, read_outcome
from tests.served import start_serve, wait_for

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

TRAFFIC = ("--seed", 7, "--rate", 100)
HOLDOUT = 0.3


def has_shows(body: bytes) -> bool:
    return any(genre["shows"] for genre in json.loads(body).get("genres", ()))


def test_what_is_recommended_is_clicked_counted_and_reported(
    services: Endpoints, tmp_path: Path
) -> None:
    truth, page = tmp_path / "truth.json", tmp_path / "loop.html"
    options: dict[str, object] = {"tastes": True, "idle_timeout_seconds": 3600}
    with deployment(
        services.kafka_bootstrap, services.redis_url, tmp_path / "logs", **options
    ) as d:
        d.make_topics()
        consumer = d.start("consume")
        d.run(
            "simulate", *TRAFFIC, "--speed", "max", "--events", 60_000,
            "--start", "2026-03-02T17:00",
        )  # fmt: skip
        d.wait_for_buckets(consumer, 5)
        site = start_serve(d, "--serve-requests-per-second=1000")
        wait_for(
            lambda: has_shows(site.get("/v1/users/u00001/recommendations").body),
            "recommendations with shows",
        )
        d.run(
            "simulate", *TRAFFIC, "--speed", 60, "--events", 1_500, "--start", "2026-03-02T17:15",
            "--follow-recommendations", f"http://{site.host}:{site.port}", "--holdout", HOLDOUT,
            "--visits", 0.3, "--report", truth,
        )  # fmt: skip
        consumer.terminate()
        assert consumer.wait(PATIENCE_SECONDS) == 0, d.log_text()
        d.finish()
        assert site.end() == 0

        store = RedisStore.connect(d.settings)
        try:
            outcome, totals = read_outcome(d.settings, store.read_progress()), store.read_totals()
        finally:
            store.close()
        assert_exact(outcome)
        assert json.loads(d.run("verify", "--json"))["is_exact"]
        loop, own = read_report(truth)["loop"], Counter[str]()
        for record in outcome.clicks:
            event = ClickEvent.model_validate_json(record.value or b"")
            if event.recommendation_id is not None:
                own[(event.action == IMPRESSION and "impressions") or "clicks"] += 1
                assert not Holdout(HOLDOUT, 7).has(event.user_id)
        assert own == {name: loop[name] for name in own}
        assert loop["impressions"] > 100
        assert totals["impressions"] + totals["counted"] + totals.get("late", 0) == len(
            outcome.clicks
        )

        told = d.run("loop-report", "--holdout", HOLDOUT, "--seed", 7, "--out", page, "--json")
        report = json.loads(told)
        assert (
            sum(rate["impressions"] for rate in report["by_place"].values())
            + report["unnamed"]["impressions"]
            == loop["impressions"]
        )
        assert report["users"]["held_out"] > 0
        assert report["users"]["held_out_impressions"] == 0
        assert {scores["period"] for scores in report["calibration"]} == {"before", "with"}
        assert "<svg" in page.read_text()
