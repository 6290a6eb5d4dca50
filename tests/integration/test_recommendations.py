"""Recommendations of `genrecast serve` on a real topic: shows by their clicks, answers on a log."""

from collections.abc import Iterator

import orjson
import pytest
from kafka import KafkaProducer

from contracts.recommendations import Recommendations
from stack.runner import Endpoints
from tests.deployment import Deployment, deployment
from tests.forecast_topic import Published, publishing
from tests.served import ServeProcess, start_serve, wait_for

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

GENRES = ("crime", "noir")


@pytest.fixture(scope="module")
def deployed(
    services: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Deployment, Published]]:
    logs = tmp_path_factory.mktemp("recommendations")
    options = {"horizon": 3, "window_buckets": 500}
    with (
        deployment(services.kafka_bootstrap, services.redis_url, logs, **options) as made,
        publishing(made.settings) as published,
    ):
        published.publish(GENRES, 3)
        yield made, published


@pytest.fixture(scope="module")
def site(deployed: tuple[Deployment, Published]) -> ServeProcess:
    return start_serve(deployed[0], "--serve-explore-ratio=0")


def send_clicks(d: Deployment, shows: dict[str, int]) -> None:
    producer = KafkaProducer(bootstrap_servers=d.kafka_bootstrap)
    values = [
        orjson.dumps(
            {
                "event_id": f"{show}-{number}", "event_time": 1_767_571_200_000, "user_id": "u1",
                "show_id": show, "genres": ["Noir"],
            }
        )
        for show, count in shows.items()
        for number in range(count)
    ]  # fmt: skip
    for value in [*values, b"no click event", b"{}"]:
        producer.send(d.settings.topic_clicks, value)
    producer.flush()
    producer.close()


def test_shows_stand_by_their_clicks_of_late_whatever_else_is_on_the_topic(
    deployed: tuple[Deployment, Published], site: ServeProcess
) -> None:
    d, _ = deployed
    send_clicks(d, {"seldom": 2, "often": 9, "sometimes": 5})

    def shown() -> list[str]:
        genres = site.get("/v1/users/u1/recommendations?shows=2").json["genres"]
        return [show["show_id"] for one in genres for show in one["shows"]]

    wait_for(lambda: shown() == ["often", "sometimes"], "the shows of noir")


def test_each_answer_is_on_the_topic_as_it_was_given(
    deployed: tuple[Deployment, Published], site: ServeProcess
) -> None:
    d, published = deployed
    bodies = {
        user: site.get(f"/v1/users/{user}/recommendations").body for user in ("new-1", "new-2")
    }
    for body in bodies.values():
        answer = Recommendations.model_validate_json(body)
        assert (answer.source, answer.problem) == ("trending", None)
        assert answer.bucket_start == published.forecasts[-1].bucket_start

    def logged() -> dict[str, bytes]:
        records = d.read_topic("topic_recommendations")
        return {r.key.decode(): r.value for r in records if r.key.startswith(b"new-")}

    wait_for(lambda: logged() == bodies, "the answers on the topic")
