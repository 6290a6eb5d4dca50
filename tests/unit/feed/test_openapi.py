"""The OpenAPI document says what is answered, whatever is asked."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from feed.serve.app import make_api
from tests.served import Served, serve_settings, served
from tests.unit.feed.making import service

DOCUMENT = schemathesis.openapi.from_asgi("/openapi.json", make_api(service(*range(5))))


@pytest.fixture(scope="module")
def site() -> Iterator[Served]:
    options = {"serve_requests_per_second": 100_000.0, "serve_port": serve_settings().serve_port}
    with served(service(*range(30), **options)) as found:
        yield found


@DOCUMENT.exclude(path="/v1/stream").parametrize()
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_document_says(case: "schemathesis.Case[Any]", site: Served) -> None:
    case.call_and_validate(base_url=f"http://{site.host}:{site.port}")


def test_the_document_names_every_route() -> None:
    assert set(make_api(service(0)).openapi()["paths"]) == {
        "/v1/forecasts", "/v1/history", "/v1/overview", "/v1/trending", "/v1/record",
        "/v1/stream", "/v1/pipeline", "/v1/users/{user_id}/recommendations",
        "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
