"""One lab for all fault tests; every test finds it calm and gets a deployment of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.lab import Lab, laboratory
from tests.faults.secured import Secured, secured_servers
from tests.faults.trial import Trial


@pytest.fixture(scope="session")
def _lab() -> Iterator[Lab]:
    with laboratory() as lab:
        yield lab


@pytest.fixture
def lab(_lab: Lab) -> Iterator[Lab]:
    """The lab, calm before and after."""
    _lab.heal()
    yield _lab
    _lab.heal()


@pytest.fixture
def make_trial(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., Trial]]:
    """Makes deployments; their processes end with the test."""
    made: list[Trial] = []

    def make(**options: object) -> Trial:
        trial = Trial(lab, tmp_path / f"logs-{len(made)}", **options)  # type: ignore[arg-type]
        made.append(trial)
        return trial

    yield make
    for trial in made:
        trial.end()


@pytest.fixture
def trial(make_trial: Callable[..., Trial]) -> Trial:
    """A deployment with the lab's usual settings."""
    return make_trial()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker and a Redis that refuse, for the tests of one file."""
    with secured_servers(tmp_path_factory.mktemp("secured")) as servers:
        yield servers
