"""Some examples of every target; `make fuzz` runs many."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings

from tests.fuzz.http import http_targets
from tests.fuzz.targets import TARGETS, Target

EXAMPLES = 60


@pytest.fixture(scope="module")
def over_http() -> Iterator[Mapping[str, Target]]:
    with http_targets() as found:
        yield found


def run(target: Target) -> None:
    settings(max_examples=EXAMPLES)(given(target.strategy)(target.check))()


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_bytes_are_refused_in_words(name: str) -> None:
    run(TARGETS[name])


@pytest.mark.parametrize("name", ["requests to the feed", "requests to a consumer"])
def test_a_server_answers_whatever_it_got_before(
    name: str, over_http: Mapping[str, Target]
) -> None:
    run(over_http[name])
