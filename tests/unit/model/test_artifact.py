"""A model from outside is hostile: every way it can be wrong is refused in one sentence."""

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.artifact import MANIFEST_NAME, WEIGHTS_NAME, ModelRefusedError, load_artifact
from model.network_forecaster import NetworkForecaster
from model.shape import Architecture

from .making import CORES, HORIZON, LEVELS, write_artifact


def edit_manifest(directory: Path, **changes: Any) -> None:  # noqa: ANN401
    path = directory / MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def put_weights(directory: Path, content: bytes) -> None:
    """Replace the weights and make the sha256 agree: the next check must catch it."""
    (directory / WEIGHTS_NAME).write_bytes(content)
    edit_manifest(directory, sha256=hashlib.sha256(content).hexdigest())


def put_arrays(directory: Path, **changes: np.ndarray) -> None:
    with np.load(directory / WEIGHTS_NAME) as arrays:
        weights = {name: arrays[name] for name in arrays.files} | changes
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=True, **weights)  # type: ignore[arg-type,unused-ignore]
    put_weights(directory, stream.getvalue())


def remove(name: str) -> Callable[[Path], None]:
    return lambda directory: (directory / name).unlink()


def cut_weights(directory: Path) -> None:
    content = (directory / WEIGHTS_NAME).read_bytes()
    (directory / WEIGHTS_NAME).write_bytes(content[: len(content) // 2])


def cut_weights_and_agree(directory: Path) -> None:
    put_weights(directory, (directory / WEIGHTS_NAME).read_bytes()[:-100])


def drop_array(directory: Path) -> None:
    with np.load(directory / WEIGHTS_NAME) as arrays:
        weights = {name: arrays[name] for name in arrays.files if name != "head_bias"}
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **weights)
    put_weights(directory, stream.getvalue())


def huge_weights(directory: Path) -> None:
    with (directory / WEIGHTS_NAME).open("ab") as stream:
        stream.truncate(65 * 1024 * 1024)


def zip_bomb(directory: Path) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, lstm1_bias=np.zeros(20_000_000, np.float32))
    put_weights(directory, stream.getvalue())


def not_a_number(directory: Path) -> None:
    put_arrays(directory, lstm1_bias=np.full(48, np.nan, np.float32))


def change_golden(directory: Path) -> None:
    golden = json.loads((directory / MANIFEST_NAME).read_text())["golden"]
    golden["mean"][0] += 1.0
    edit_manifest(directory, golden=golden)


def drop_key(directory: Path) -> None:
    path = directory / MANIFEST_NAME
    content = json.loads(path.read_text())
    del content["quantiles"]
    path.write_text(json.dumps(content))


OBJECTS = np.array([print, None], dtype=object)


def put_header(directory: Path, header: bytes) -> None:
    """Replace one array by a header that is followed by nothing, under a sound checksum."""
    with zipfile.ZipFile(directory / WEIGHTS_NAME) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    magic = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in {**members, "lstm1_bias.npy": magic + header + b"\n"}.items():
            archive.writestr(name, content)
    put_weights(directory, stream.getvalue())


def claim_to_be_encrypted(directory: Path) -> None:
    content = bytearray((directory / WEIGHTS_NAME).read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    put_weights(directory, bytes(content))


HOSTILE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no manifest": (remove(MANIFEST_NAME), MANIFEST_NAME, "cannot be read: No such file"),
    "no weights": (remove(WEIGHTS_NAME), WEIGHTS_NAME, "cannot be read: No such file"),
    "cut weights": (cut_weights, WEIGHTS_NAME, "sha256 differs"),
    "cut, sha256 agrees": (cut_weights_and_agree, WEIGHTS_NAME, "not a file of plain arrays"),
    "huge file": (huge_weights, WEIGHTS_NAME, "larger than"),
    "zip bomb": (zip_bomb, WEIGHTS_NAME, "unpacks to more than"),
    "bare pickle": (
        lambda d: put_weights(d, pickle.dumps({"a": 1})),
        WEIGHTS_NAME,
        "not a file of plain arrays",
    ),
    "pickled array": (
        lambda d: put_arrays(d, lstm1_bias=OBJECTS),
        WEIGHTS_NAME,
        "not a file of plain arrays",
    ),
    "header that claims a terabyte": (
        lambda d: put_header(
            d, b"{'descr': '<f4', 'fortran_order': False, 'shape': (274877906944,), }"
        ),
        WEIGHTS_NAME,
        "not a file of plain arrays",
    ),
    "header that is nested too deep": (
        lambda d: put_header(d, b"-" * 9_000 + b"1"),
        WEIGHTS_NAME,
        "not a file of plain arrays",
    ),
    "header that does not end": (
        lambda d: put_header(d, b"("),
        WEIGHTS_NAME,
        "not a file of plain arrays",
    ),
    "encrypted array": (claim_to_be_encrypted, WEIGHTS_NAME, "not a file of plain arrays"),
    "wrong shape": (
        lambda d: put_arrays(d, lstm1_bias=np.zeros(47, np.float32)),
        WEIGHTS_NAME,
        r"lstm1_bias has shape \(47,\)",
    ),
    "wrong type": (
        lambda d: put_arrays(d, lstm1_bias=np.zeros(48, np.float64)),
        WEIGHTS_NAME,
        "lstm1_bias is float64",
    ),
    "not finite": (not_a_number, WEIGHTS_NAME, "lstm1_bias holds values that are not finite"),
    "array too many": (
        lambda d: put_arrays(d, extra=np.zeros(3, np.float32)),
        WEIGHTS_NAME,
        "other arrays",
    ),
    "array too few": (drop_array, WEIGHTS_NAME, "other arrays"),
    "not JSON": (
        lambda d: (d / MANIFEST_NAME).write_text("{"),
        MANIFEST_NAME,
        "Invalid JSON",
    ),
    "key too many": (lambda d: edit_manifest(d, extra=1), MANIFEST_NAME, "extra: Extra inputs"),
    "key too few": (drop_key, MANIFEST_NAME, "quantiles: Field required"),
    "levels cross": (
        lambda d: edit_manifest(d, quantiles=[0.5, 0.1]),
        MANIFEST_NAME,
        "quantiles must ascend",
    ),
    "name with a path": (
        lambda d: edit_manifest(d, model_version="../../x"),
        MANIFEST_NAME,
        "model_version: String should match",
    ),
    "huge manifest": (
        lambda d: (d / MANIFEST_NAME).write_text(" " * (1024 * 1024 + 1)),
        MANIFEST_NAME,
        "larger than",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_model_is_refused(tmp_path: Path, name: str) -> None:
    spoil, file_name, reason = HOSTILE[name]
    write_artifact(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ModelRefusedError, match=reason) as refused:
        load_artifact(tmp_path)
    assert str(tmp_path / file_name) in str(refused.value)
    assert "\n" not in str(refused.value)


def sizes(**changes: int) -> dict[str, int]:
    return CORES["transformer"].model_dump() | changes


HOSTILE_SIZES: dict[str, tuple[dict[str, Any], str]] = {
    "sizes of both": ({"units": [12, 8]}, "sizes of another architecture"),
    "sizes of the other": ({"architecture": "lstm"}, "sizes of another architecture"),
    "no sizes": ({"transformer": None}, "sizes of another architecture"),
    "unknown architecture": ({"architecture": "gru"}, "architecture: Input should be"),
    "no layers": ({"transformer": sizes(layers=0)}, "transformer.layers: Input should be"),
    "endless window": ({"transformer": sizes(window=10**9)}, "transformer.window: Input should be"),
    "memory of megabytes": (
        {"transformer": sizes(layers=8, window=1024, key_width=256)},
        "transformer: Value error, more than 65536 numbers of memory per genre",
    ),
    "size too many": ({"transformer": sizes(experts=8)}, "transformer.experts: Extra inputs"),
}


@pytest.mark.parametrize("name", HOSTILE_SIZES)
def test_hostile_sizes_of_a_transformer_are_refused(tmp_path: Path, name: str) -> None:
    changes, reason = HOSTILE_SIZES[name]
    write_artifact(tmp_path, "transformer")
    edit_manifest(tmp_path, **changes)
    with pytest.raises(ModelRefusedError, match=reason) as refused:
        load_artifact(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("size", ["width", "heads", "key_width", "layers", "window"])
def test_other_sizes_than_those_of_the_arrays_are_refused(tmp_path: Path, size: str) -> None:
    write_artifact(tmp_path, "transformer")
    edit_manifest(tmp_path, transformer=sizes(**{size: sizes()[size] + 1}))
    with pytest.raises(ModelRefusedError, match="array shapes do not fit"):
        NetworkForecaster(load_artifact(tmp_path), HORIZON, LEVELS)


def test_manifest_without_an_architecture_is_an_lstm(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    path = tmp_path / MANIFEST_NAME
    content = json.loads(path.read_text())
    del content["architecture"], content["transformer"]
    path.write_text(json.dumps(content))
    assert load_artifact(tmp_path).manifest.core == CORES["lstm"]


UNSERVABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "golden outputs differ": (change_golden, "self-check failed, mean"),
    "other features": (lambda d: edit_manifest(d, features=["a", "b"]), "other features"),
    "other units": (lambda d: edit_manifest(d, units=[16, 8]), "array shapes do not fit"),
    "other step features": (lambda d: edit_manifest(d, step_features=["a"]), "other features"),
    "other quantiles": (lambda d: edit_manifest(d, quantiles=[0.5]), "array shapes do not fit"),
}


@pytest.mark.parametrize("name", UNSERVABLE)
def test_model_that_contradicts_itself_is_refused(tmp_path: Path, name: str) -> None:
    spoil, reason = UNSERVABLE[name]
    write_artifact(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ModelRefusedError, match=reason):
        NetworkForecaster(load_artifact(tmp_path), HORIZON, LEVELS)


@pytest.mark.parametrize(
    ("architecture", "array"),
    [
        ("lstm", "head_kernel"),
        ("transformer", "head_kernel"),
        ("transformer", "layer1_query_kernel"),
        ("transformer", "layer2_age_bias"),
    ],
)
def test_swapped_weights_fail_the_self_check(
    tmp_path: Path, architecture: Architecture, array: str
) -> None:
    write_artifact(tmp_path, architecture)
    with np.load(tmp_path / WEIGHTS_NAME) as arrays:
        kernel = arrays[array]
    put_arrays(tmp_path, **{array: kernel[::-1]})
    with pytest.raises(ModelRefusedError, match="self-check failed"):
        NetworkForecaster(load_artifact(tmp_path), HORIZON, LEVELS)


@pytest.mark.parametrize("architecture", ["lstm", "transformer"])
def test_sound_model_comes_back_as_it_was(tmp_path: Path, architecture: Architecture) -> None:
    written = write_artifact(tmp_path, architecture)
    loaded = load_artifact(tmp_path)
    assert loaded.manifest == written.manifest
    for name, array in written.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], array)
