"""A forecast published by a real deployment, explained from the command line and over HTTP."""

import subprocess
from pathlib import Path

import pytest

from contracts.explanations import Explanation
from stack.runner import Endpoints
from tests.deployment import PATIENCE_SECONDS, deployment
from tests.served import start_serve


@pytest.mark.services
@pytest.mark.timeout(900)
def test_a_published_forecast_is_explained(services: Endpoints, tmp_path: Path) -> None:
    with deployment(
        services.kafka_bootstrap, services.redis_url, tmp_path / "logs", bucket_seconds=300
    ) as d:
        d.make_topics()
        d.run(
            "simulate", "--events", 20_000, "--rate", 20_000, "--speed", 20_000,
            "--start", "2026-03-02T08:00", "--seed", 7,
        )  # fmt: skip
        d.finish()
        newest = max(d.forecasts(), key=lambda one: (one.bucket_start, one.observed_clicks))
        mean = sum(step.mean for step in newest.horizon) / len(newest.horizon)

        picture = tmp_path / "why.png"
        told = d.run("explain", f"--genre={newest.genre.upper()}", "--json", f"--plot={picture}")
        found = Explanation.model_validate_json(told)
        assert (found.genre, found.bucket_start) == (newest.genre, newest.bucket_start)
        assert found.reproduction.is_exact
        assert found.forecast == pytest.approx(mean, rel=2e-3, abs=2e-3)
        moved = sum(cause.clicks for cause in found.causes)
        assert moved == pytest.approx(found.change, rel=0.01, abs=2e-3)
        assert picture.read_bytes().startswith(b"\x89PNG")

        assert "'nosuch' is not known in that bucket; there are: " in refused(
            d.command("explain", "--genre=nosuch")
        )
        assert "no published bucket that contains that moment" in refused(
            d.command("explain", f"--genre={newest.genre}", "--at=2001-01-01")
        )

        site = start_serve(d, "--serve-explanations=true", "--serve-explanation-seconds=600")
        reply = site.get(f"/v1/explanation?genre={newest.genre}")
        assert reply.status == 200, reply.body
        assert Explanation.model_validate(reply.json).causes == found.causes
        assert site.end() == 0


def refused(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
