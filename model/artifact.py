"""A trained model on disk: plain arrays and a checked manifest. Both are hostile input."""

import hashlib
import io
import json
import math
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.shape import Architecture, CoreSizes, Head, LstmSizes, LstmUnits, TransformerSizes

WEIGHTS_NAME: Final = "weights.npz"
MANIFEST_NAME: Final = "manifest.json"

MAX_WEIGHTS_BYTES: Final = 64 * 1024 * 1024
"""Largest weights file read, and largest sum of its arrays: some 50 times the shipped model."""

MAX_MANIFEST_BYTES: Final = 1024 * 1024
"""Largest manifest read."""

GOLDEN_TOLERANCE: Final = 1e-4
"""How far the self-check's outputs may be off, relative: float32 on another processor."""

ARTIFACT_FORMAT: Final = 2
"""Version of the layout of these two files."""

_GOLDEN_ROWS: Final = 3
_GOLDEN_STEPS: Final = 4
"""Genres and steps of the self-check."""

# A hostile archive or header raises any of these: among them what the decompressor says, what an
# encrypted member is answered with, and how Python ends on a header that is nested too deep.
_NOT_PLAIN: Final = (
    ValueError, OSError, EOFError, KeyError, TypeError, SyntaxError, zipfile.BadZipFile,
    zlib.error, tokenize.TokenError, RuntimeError, MemoryError, OverflowError,
)  # fmt: skip

Float32 = NDArray[np.float32]
Finite = Annotated[float, Field(allow_inf_nan=False)]
MaybeMeasured = Annotated[float, Field(ge=0, allow_inf_nan=False)] | None


class ModelRefusedError(Exception):
    """A model that must not serve; the message names the file and what is wrong with it."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class TrainMetrics(_Strict):
    """Scores on held-out buckets; null where there was nothing to measure."""

    mse: MaybeMeasured
    mae: MaybeMeasured
    mase: MaybeMeasured
    wql: MaybeMeasured
    coverage: MaybeMeasured
    points: int = Field(ge=0)


class DataRange(_Strict):
    """What the model was trained on."""

    source: str = Field(max_length=500)
    series: int = Field(ge=0)
    buckets: int = Field(ge=0)
    first_start_ms: int
    last_start_ms: int
    max_clicks: int = Field(ge=0)


class Golden(_Strict):
    """Outputs of the self-check, see `golden_inputs`."""

    mean: list[Finite] = Field(max_length=20_000)
    quantiles: list[Finite] = Field(max_length=200_000)


class Manifest(_Strict):
    """Everything about a model but its arrays."""

    format: Literal[2] = ARTIFACT_FORMAT
    model_version: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    created_at: int = Field(description="Epoch ms.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of weights.npz.")
    architecture: Architecture = "lstm"
    head: Head
    units: LstmUnits | None = Field(default=None, description="Of the LSTM's layers.")
    transformer: TransformerSizes | None = None
    horizon: int = Field(ge=1, le=1000)
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(min_length=1, max_length=99)
    bucket_seconds: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1, max_length=100)
    window_buckets: int = Field(ge=1)
    features: tuple[str, ...] = Field(min_length=1, max_length=5000)
    step_features: tuple[str, ...] = Field(min_length=1, max_length=5000)
    scaler: str = Field(max_length=200)
    shapes: dict[str, tuple[int, ...]]
    data: DataRange
    metrics: TrainMetrics
    naive_metrics: TrainMetrics
    golden: Golden

    @model_validator(mode="after")
    def _levels_ascend(self) -> Self:
        if list(self.quantiles) != sorted(set(self.quantiles)):
            raise ValueError("quantiles must ascend")
        return self

    @model_validator(mode="after")
    def _sizes_are_those_of_the_architecture(self) -> Self:
        has = (self.units is not None, self.transformer is not None)
        if has != (self.architecture == "lstm", self.architecture == "transformer"):
            raise ValueError(f"sizes of another architecture than {self.architecture}")
        return self

    @property
    def core(self) -> CoreSizes:
        """Sizes of what reads the buckets."""
        if self.transformer is not None:
            return self.transformer
        return LstmSizes() if self.units is None else LstmSizes(units=self.units)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model as read: arrays that fit the manifest, all finite float32."""

    manifest: Manifest
    weights: dict[str, Float32]
    directory: Path


def golden_inputs(
    feature_count: int, memory_width: int, step_feature_count: int
) -> tuple[Float32, Float32, Float32, Float32, Float32]:
    """Return fixed inputs of `Network.step` that a model is checked on."""

    def wave(shape: tuple[int, ...], speed: float) -> Float32:
        cells = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
        return np.sin(cells * speed + 0.5).astype(np.float32)

    rows, steps = _GOLDEN_ROWS, _GOLDEN_STEPS
    return (
        wave((rows, feature_count), 0.7),
        0.5 * wave((rows, memory_width), 0.43),
        wave((rows, steps, step_feature_count), 0.23),
        5.0 + 4.0 * wave((rows, steps), 0.31),
        1.5 + wave((rows, steps), 0.17),
    )


def pack_weights(weights: dict[str, Float32]) -> bytes:
    """Return the bytes of weights.npz: uncompressed, so that a size limit means what it says."""
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **{name: array for name, array in weights.items()})
    return stream.getvalue()


def save_artifact(directory: Path, weights: bytes, manifest: Manifest) -> None:
    """Write a model; the manifest last, so that a half-written model is refused."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MANIFEST_NAME).unlink(missing_ok=True)
    (directory / WEIGHTS_NAME).write_bytes(weights)
    text = json.dumps(manifest.model_dump(mode="json"), indent=1)
    (directory / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")


def load_artifact(directory: Path) -> Artifact:
    """Read and check a model; outputs are checked later, by who can compute them.

    Raises:
        ModelRefusedError: For anything that is not exactly a model of ours.
    """
    manifest_path = directory / MANIFEST_NAME
    raw_manifest = read_limited(manifest_path, MAX_MANIFEST_BYTES)
    try:
        manifest = Manifest.model_validate_json(raw_manifest)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ModelRefusedError(f"{manifest_path}: {where}: {first['msg']}") from None
    weights_path = directory / WEIGHTS_NAME
    raw_weights = read_limited(weights_path, MAX_WEIGHTS_BYTES)
    if hashlib.sha256(raw_weights).hexdigest() != manifest.sha256:
        raise ModelRefusedError(
            f"{weights_path}: sha256 differs from the manifest's: the file was changed or cut"
        )
    return Artifact(manifest, _unpack(weights_path, raw_weights, manifest), directory)


def read_limited(path: Path, limit: int) -> bytes:
    """Return a file's bytes.

    Raises:
        ModelRefusedError: It cannot be read, or is larger than `limit` bytes.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise ModelRefusedError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise ModelRefusedError(f"{path}: larger than {limit} bytes, the most that is read")
    return content


def _unpack(path: Path, content: bytes, manifest: Manifest) -> dict[str, Float32]:
    """Return the arrays, each of the name, shape and type that the manifest promises."""
    try:
        members = _members(path, content, manifest)
        weights = {name: _plain_array(members[f"{name}.npy"]) for name in manifest.shapes}
    except _NOT_PLAIN:
        raise ModelRefusedError(f"{path}: is not a file of plain arrays") from None
    for name, array in weights.items():
        if array.dtype != np.float32:
            raise ModelRefusedError(f"{path}: {name} is {array.dtype}, not float32")
        if array.shape != tuple(manifest.shapes[name]):
            raise ModelRefusedError(
                f"{path}: {name} has shape {array.shape}, not {manifest.shapes[name]}"
            )
        if not np.isfinite(array).all():
            raise ModelRefusedError(f"{path}: {name} holds values that are not finite")
    return weights


def _members(path: Path, content: bytes, manifest: Manifest) -> dict[str, bytes]:
    """Return the files of an archive, which must be those that the manifest names."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_WEIGHTS_BYTES:
            raise ModelRefusedError(f"{path}: unpacks to more than {MAX_WEIGHTS_BYTES} bytes")
        if sorted(e.filename for e in entries) != sorted(f"{n}.npy" for n in manifest.shapes):
            raise ModelRefusedError(f"{path}: holds other arrays than the manifest names")
        return {entry.filename: archive.read(entry) for entry in entries}


def _plain_array(content: bytes) -> NDArray[Any]:
    """Return the array of a .npy file, once its header agrees with the bytes that there are.

    numpy makes room for whatever shape a header claims before it looks for the numbers.

    Raises:
        ValueError: It is none, holds objects, or has more or fewer bytes than it claims.
    """
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError("not the format that models are written in")
    shape, _, kind = np.lib.format.read_array_header_1_0(stream)
    if kind.hasobject or math.prod(shape) * kind.itemsize != len(content) - stream.tell():
        raise ValueError("not as many bytes as the header claims")
    stream.seek(0)
    array: NDArray[Any] = np.load(stream, allow_pickle=False)
    return array
