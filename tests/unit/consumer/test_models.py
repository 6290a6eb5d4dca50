"""A model into the registry and out of it: checked both times, whatever lies in between."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from consumer.models import (
    RegistryError,
    add_model,
    open_registered,
    promote,
    read_model,
    refuse,
    retire,
    roll_back,
    write_model,
)
from contracts.settings import Settings
from model.artifact import MANIFEST_NAME, MAX_WEIGHTS_BYTES, WEIGHTS_NAME, ModelRefusedError
from model.live import LIVE_VERSION
from state.model_store import BUILT_IN, MemoryModels, ModelBytes, ModelEntry, Registry
from tests.unit.model.making import write_artifact
from tests.unit.model.test_artifact import cut_weights, edit_manifest, put_arrays, put_weights


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> ModelBytes:
    directory = Path(tmp_path_factory.mktemp("sound"))
    write_artifact(directory)
    return read_model(directory)


@pytest.fixture
def directory(sound: ModelBytes, tmp_path: Path) -> Path:
    write_model(sound, tmp_path / "model")
    return tmp_path / "model"


def settings(**changes: object) -> Settings:
    return Settings.model_validate({"horizon": 6, **changes})


def first_name(directory: Path) -> str:
    with np.load(directory / WEIGHTS_NAME) as arrays:
        return str(sorted(arrays.files)[0])


def with_nan(directory: Path) -> None:
    with np.load(directory / WEIGHTS_NAME) as arrays:
        name = sorted(arrays.files)[0]
        spoilt = arrays[name].copy()
    spoilt.flat[0] = np.nan
    put_arrays(directory, **{name: spoilt})


class Hostile:
    """Would leave a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


def with_pickle(directory: Path) -> None:
    hostile = np.array([Hostile(directory / "run")], object)
    put_arrays(directory, **{first_name(directory): hostile})


def without_manifest(directory: Path) -> None:
    (directory / MANIFEST_NAME).write_bytes(b"{}")


POISONS: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (cut_weights, "weights.npz: sha256 differs"),
    "another sha256": (lambda d: edit_manifest(d, sha256="0" * 64), "weights.npz: sha256 differs"),
    "NaN": (with_nan, "holds values that are not finite"),
    "wrong shape": (
        lambda d: put_arrays(d, **{first_name(d): np.zeros((2, 3), np.float32)}),
        r"has shape \(2, 3\)",
    ),
    "hostile pickle": (with_pickle, "weights.npz: is not a file of plain arrays"),
    "a pickle alone": (
        lambda d: put_weights(d, pickle.dumps(Hostile(d / "run"))),
        "weights.npz: is not a file of plain arrays",
    ),
    "too large": (
        lambda d: put_weights(d, b"\x00" * (MAX_WEIGHTS_BYTES + 1)),
        "weights.npz: larger than",
    ),
    "no manifest": (without_manifest, "manifest.json: "),
}


@pytest.mark.parametrize("name", POISONS)
def test_a_poisoned_model_is_refused_and_named_on_the_way_in(directory: Path, name: str) -> None:
    spoil, reason = POISONS[name]
    spoil(directory)
    models = MemoryModels()
    with pytest.raises(ModelRefusedError, match=reason) as caught:
        add_model(models, directory, settings(), 0)
    assert str(caught.value).startswith(str(directory))
    assert models.read() == Registry()
    assert not (directory / "run").exists(), "nothing was unpickled"


@pytest.mark.parametrize("name", POISONS)
def test_a_poisoned_model_is_refused_and_named_on_the_way_out(directory: Path, name: str) -> None:
    spoil, reason = POISONS[name]
    spoil(directory)
    files = ModelBytes(
        (directory / MANIFEST_NAME).read_bytes(), (directory / WEIGHTS_NAME).read_bytes()
    )
    with pytest.raises(ModelRefusedError, match=reason) as caught:
        open_registered("lstm-test", files, settings())
    assert str(caught.value).startswith("lstm-test/")


def test_a_sound_model_becomes_the_candidate_and_opens_again(
    directory: Path, sound: ModelBytes
) -> None:
    models = MemoryModels()
    added = add_model(models, directory, settings(), 5)
    registry = models.read()
    assert (added.version, added.registered_at, registry.candidate) == ("lstm-test", 5, "lstm-test")
    files = models.read_bytes("lstm-test")
    assert files == sound
    forecaster = open_registered("lstm-test", sound, settings())
    assert (forecaster.version, forecaster.horizon) == (f"lstm-test+{LIVE_VERSION}", 6)


def test_a_model_that_does_not_fit_the_deployment_is_not_registered(directory: Path) -> None:
    models = MemoryModels()
    with pytest.raises(ModelRefusedError, match="forecasts 6 steps, not 7"):
        add_model(models, directory, settings(horizon=7), 0)
    assert models.read() == Registry()


def test_a_model_under_another_name_is_refused(sound: ModelBytes) -> None:
    with pytest.raises(ModelRefusedError, match="lstm-x: the manifest is that of lstm-test"):
        open_registered("lstm-x", sound, settings())


def test_a_model_in_use_is_not_registered_again_but_a_retired_one_is(directory: Path) -> None:
    models = MemoryModels()
    add_model(models, directory, settings(), 0)
    with pytest.raises(RegistryError, match="lstm-test is there already: it is the candidate"):
        add_model(models, directory, settings(), 0)
    retire(models, "lstm-test")
    add_model(models, directory, settings(), 1)
    assert models.read().candidate == "lstm-test"


def registry_of(**pointers: str | None) -> MemoryModels:
    models = MemoryModels()
    entries = {name: ModelEntry(version=name, registered_at=0) for name in ("a", "b", "c")}
    models.write(replace(Registry(entries=entries), **pointers), {})  # type: ignore[arg-type]
    return models


def pointers(models: MemoryModels) -> tuple[str, str | None, str | None]:
    registry = models.read()
    return registry.champion, registry.candidate, registry.previous


def test_promote_moves_all_pointers_at_once() -> None:
    models = registry_of(candidate="a")
    promote(models, "a", 9)
    assert pointers(models) == ("a", None, BUILT_IN)
    promote(models, "b", 9)
    assert pointers(models) == ("b", None, "a")
    promote(models, BUILT_IN, 10)
    assert pointers(models) == (BUILT_IN, None, "b")
    assert models.read().moved_at_ms == 10


def test_rollback_goes_back_and_forth() -> None:
    models = registry_of(champion="b", previous="a", candidate="c")
    roll_back(models, 1)
    assert pointers(models) == ("a", "c", "b")
    roll_back(models, 2)
    assert pointers(models) == ("b", "c", "a")


def test_a_refused_champion_gives_way_to_the_one_before_it_then_to_the_built_in() -> None:
    models = registry_of(champion="b", previous="a", candidate="c")
    refuse(models, "b", "x" * 10_000, 0)
    assert pointers(models) == ("a", "c", None)
    assert len(models.read().entries["b"].refused) == 500
    refuse(models, "a", "broken", 0)
    assert pointers(models) == (BUILT_IN, "c", None)
    refuse(models, "c", "broken", 0)
    assert pointers(models) == (BUILT_IN, None, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: promote(m, "nobody", 0), "there is no model 'nobody'; there are: a, b, c"),
        (lambda m: promote(m, "b", 0), "b is the champion already"),
        (lambda m: retire(m, "b"), "b is the champion: promote another one or roll back first"),
        (lambda m: roll_back(m, 0), "nothing to go back to: b is the first champion"),
        (lambda m: (refuse(m, "a", "NaN", 0), promote(m, "a", 0)), "a is refused: NaN"),
    ],
)
def test_what_can_not_be_done_is_said_and_changes_nothing(
    change: Callable[[MemoryModels], object], reason: str
) -> None:
    models = registry_of(champion="b")
    with pytest.raises(RegistryError, match=reason):
        change(models)
    assert pointers(models) == ("b", None, None)


class Contended(MemoryModels):
    """A registry that somebody else changes between reading and writing."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def read(self) -> Registry:
        found = super().read()
        if self.times and "a" in found.entries:
            self.times -= 1
            super().write(replace(found, candidate="c"), {})
        return found


def test_a_change_is_made_anew_from_what_somebody_else_wrote_meanwhile() -> None:
    models = Contended(3)
    models.write(
        Registry(entries={n: ModelEntry(version=n, registered_at=0) for n in ("a", "c")}), {}
    )
    promote(models, "a", 0)
    assert pointers(models) == ("a", "c", BUILT_IN)
