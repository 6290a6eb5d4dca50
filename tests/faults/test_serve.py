"""The HTTP service when Kafka or Redis is away."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import Deployment, deployment
from tests.faults.lab import Lab
from tests.forecast_topic import START_MS, publishing
from tests.served import ServeProcess, start_serve, wait_for

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(300)]

MINUTE = 60_000


@pytest.fixture
def d(lab: Lab, tmp_path: Path) -> Iterator[Deployment]:
    endpoints = lab.stack.endpoints
    with deployment(endpoints.kafka_bootstrap, endpoints.redis_url, tmp_path, horizon=2) as made:
        yield made


def problem(site: ServeProcess) -> str:
    return str(site.get("/v1/pipeline").json["problem"])


def test_a_broker_that_is_restarted_is_found_again_and_no_bucket_is_missed(
    lab: Lab, d: Deployment
) -> None:
    with publishing(d.settings) as published:
        published.publish(["crime"], 3)
    site = start_serve(d)
    events = site.events(last_event_id=START_MS)
    told: list[bool] = []
    ends: list[str | None] = []

    def read(buckets: int) -> None:
        while len(ends) < buckets:
            event = next(events)
            if event.name == "status":
                told.append(json.loads(event.data)["is_stale"])
            elif event.name == "bucket":
                ends.append(event.id)

    read(2)
    lab.stop_kafka()
    wait_for(lambda: site.get("/readyz").status == 503, "Kafka found to be away")
    pipeline = site.get("/v1/pipeline").json
    assert pipeline["is_stale"]
    assert site.get("/v1/overview").json["genres"][0]["observed"] == 2
    lab.start_kafka()
    with publishing(d.settings) as published:
        published.next_number = 3
        published.publish(["crime"], 2)
    wait_for(lambda: site.get("/readyz").status == 200, "Kafka found again")
    read(4)
    assert ends == [str(START_MS + n * MINUTE) for n in range(1, 5)]
    assert told[-1] is False
    assert True in told
    assert site.end() == 0


def test_without_redis_it_serves_and_names_it(lab: Lab, d: Deployment) -> None:
    with publishing(d.settings) as published:
        published.publish(["crime"], 3)
        site = start_serve(d)
        lab.stack.redis.kill()
        wait_for(lambda: "Redis" in problem(site), "Redis found to be away")
        assert site.get("/readyz").status == 200
        assert site.get("/v1/history?genre=crime").status == 200
        lab.start_redis()
        wait_for(lambda: "holds no state" in problem(site), "Redis found again")
    assert site.end() == 0
