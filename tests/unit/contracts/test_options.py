"""Settings as options of a command."""

import click
import pytest
from click.testing import CliRunner

from contracts.options import with_settings
from contracts.settings import Settings


@click.command()
@with_settings("standby", "horizon")
def show(settings: Settings) -> None:
    click.echo(f"{settings.standby} {settings.horizon}")


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ([], "True 12"),  # the environment's
        (["--standby"], "True 12"),
        (["--standby", "--horizon", "3"], "True 3"),
        (["--standby=false"], "False 12"),
        (["--standby", "no"], "False 12"),
    ],
)
def test_what_is_true_or_false_may_go_without_a_value(
    arguments: list[str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENRECAST_STANDBY", "true")
    assert CliRunner().invoke(show, arguments).output.strip() == shown


def test_without_a_value_it_is_true_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GENRECAST_STANDBY", "false")
    assert CliRunner().invoke(show, ["--standby"]).output.strip() == "True 12"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--standby", "maybe"], "GENRECAST_STANDBY: Input should be a valid boolean"),
        (["--horizon"], "requires an argument"),
    ],
)
def test_a_wrong_or_missing_value_is_told(arguments: list[str], reason: str) -> None:
    told = CliRunner().invoke(show, arguments)
    assert told.exit_code == 2
    assert reason in told.output
