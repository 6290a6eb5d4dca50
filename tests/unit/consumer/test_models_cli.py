"""`genrecast models` as people use it: a table, JSON, clear refusals."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consumer.models import read_model
from genrecast.cli import cli
from state.model_store import (
    BUILT_IN,
    LiveFigures,
    MemoryModels,
    ModelEntry,
    Registry,
    RetrainRequest,
)
from state.redis_models import RedisModels
from state.store import StoreUnavailableError
from tests.unit.model.making import write_artifact

SUBCOMMANDS = ("ls", "show", "add", "promote", "rollback", "retire")


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryModels]:
    made = MemoryModels()
    monkeypatch.setattr(RedisModels, "connect", lambda settings: made)
    return made  # type: ignore[return-value]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["models", *arguments], env={"COLUMNS": "200"})


def fill(models: MemoryModels) -> None:
    entries = {
        "m-1": ModelEntry(version="m-1", registered_at=1_767_571_200_000, metrics={"wql": 0.31}),
        "m-2": ModelEntry(
            version="m-2",
            registered_at=1_767_571_260_000,
            architecture="transformer",
            metrics={"wql": 0.29},
        ),
        "m-3": ModelEntry(version="m-3", registered_at=2, refused="w0 has shape [2], not [3]"),
    }
    models.write(Registry(champion="m-1", candidate="m-2", entries=entries), {})
    compared = LiveFigures(buckets=40, loss=9.0, champion_loss=10.0, clicks=90.0)
    models.note({"m-1": LiveFigures(rolling={"wql": 0.333}), "m-2": compared})


def test_every_command_has_an_example_in_its_help() -> None:
    for name in SUBCOMMANDS:
        told = run(name, "--help")
        assert told.exit_code == 0
        assert f"genrecast models {name}" in told.output


def test_an_empty_registry_says_what_publishes_and_what_to_do(models: MemoryModels) -> None:
    told = run("ls").output
    assert f"the {BUILT_IN} model publishes" in told
    assert "no models yet: genrecast models add DIR" in told


def test_the_table_says_what_each_version_is_and_how_it_does(models: MemoryModels) -> None:
    fill(models)
    models.ask_retrain(RetrainRequest(asked_at=0, reason="worse [than] before"))
    lines = [line.strip() for line in run("ls").output.splitlines()]
    shown = {line.split()[0]: line for line in lines if line.startswith("m-")}
    assert "candidate" in shown["m-2"]
    assert "transformer" in shown["m-2"]
    assert "40" in shown["m-2"]
    assert "-10.0%" in shown["m-2"]
    assert "champion" in shown["m-1"]
    assert "0.333" in shown["m-1"]
    assert "refused" in shown["m-3"]
    assert any("w0 has shape [2], not [3]" in line for line in lines)
    assert any("worse [than] before" in line for line in lines)


def test_json_has_pointers_and_versions(models: MemoryModels) -> None:
    fill(models)
    told = json.loads(run("ls", "--json").output)
    assert (told["champion"], told["candidate"], told["previous"]) == ("m-1", "m-2", None)
    by_version = {one["version"]: one for one in told["versions"]}
    assert by_version["m-2"]["live"]["wql"] == 0.2
    assert by_version["m-3"]["status"] == "refused"
    assert json.loads(run("show", "m-1", "--json").output)["metrics"] == {"wql": 0.31}


def test_promote_rollback_and_retire_say_what_is_what(models: MemoryModels) -> None:
    fill(models)
    assert run("promote", "m-2").output == "m-2 is the champion, m-1 was before it\n"
    assert run("rollback").output == "m-1 is the champion, m-2 was before it\n"
    assert run("retire", "m-2").output == "m-2 is retired\n"
    assert models.read().status_of("m-2") == "retired"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("show", "nobody"), "there is no model 'nobody'; there are: m-1, m-2, m-3"),
        (("promote", "m-3"), "m-3 is refused: w0 has shape [2], not [3]"),
        (("promote", "m-1"), "m-1 is the champion already"),
        (("rollback",), "nothing to go back to"),
        (("retire", "m-1"), "m-1 is the champion"),
        (("show", "m-1", "--out", "x"), "the files of m-1 are not in the registry"),
        (("add", "nowhere"), "nowhere/manifest.json: cannot be read"),
    ],
)
def test_what_can_not_be_done_exits_1_with_one_line(
    models: MemoryModels, arguments: tuple[str, ...], reason: str
) -> None:
    fill(models)
    told = run(*arguments)
    assert told.exit_code == 1
    assert told.stderr.startswith("genrecast models: ")
    assert reason in told.stderr
    assert told.stderr.count("\n") == 1
    assert models.read().generation == 1


def test_a_redis_that_is_away_is_named(
    models: MemoryModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Registry:
        raise StoreUnavailableError("Redis: connection refused")

    monkeypatch.setattr(models, "read", away)
    told = run("ls")
    assert (told.exit_code, told.stderr) == (1, "genrecast models: Redis: connection refused\n")


def test_a_model_goes_in_and_comes_out_byte_for_byte(models: MemoryModels, tmp_path: Path) -> None:
    write_artifact(tmp_path / "in")
    added = run("add", str(tmp_path / "in"), "--horizon", "6")
    assert added.output == "lstm-test is the candidate\n"
    out = tmp_path / "out"
    assert f"wrote {out}" in run("show", "lstm-test", "--out", str(out)).output
    assert read_model(out) == read_model(tmp_path / "in")


def test_a_model_that_was_spoilt_in_redis_is_not_written_out(
    models: MemoryModels, tmp_path: Path
) -> None:
    write_artifact(tmp_path / "in")
    run("add", str(tmp_path / "in"), "--horizon", "6")
    files = models.read_bytes("lstm-test")
    assert files is not None
    models.write(models.read(), {"lstm-test": replace(files, weights=files.weights[:-1])})
    told = run("show", "lstm-test", "--out", str(tmp_path / "out"))
    assert told.exit_code == 1
    assert "lstm-test/weights.npz: sha256 differs" in told.stderr
    assert not (tmp_path / "out").exists()
