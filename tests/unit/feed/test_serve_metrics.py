"""The HTTP service measures what the list of metrics says of it."""

from prometheus_client import generate_latest

from contracts.metrics import METRICS
from feed.serve.metrics import REGISTRY
from tests.unit.consumer.test_metrics import measured


def test_what_the_service_measures_is_what_the_list_says_of_it() -> None:
    assert measured(generate_latest(REGISTRY)) == {
        (m.name, m.kind) for m in METRICS if m.part == "serve"
    }
