"""Shapes: sizes of a network and of its arrays, by architecture. Imports no TensorFlow."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Architecture = Literal["lstm", "transformer"]
"""What reads a genre bucket by bucket."""

Head = Literal["quantile", "point"]

HEAD_UNITS: Final = 64
"""Width of the head's hidden layer."""

MAX_MEMORY_WIDTH: Final = 65_536
"""Most float32 numbers of memory per genre, 256 kB: some genres must fit into one Redis value."""

_MLP_FACTOR: Final = 4
"""Width of a layer's inner vector over the width of its outer one, as in the first Transformer."""

LstmUnits = tuple[Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)]]

ArrayShapes = dict[str, tuple[int, ...]]


class _Sizes(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LstmSizes(_Sizes):
    """Two LSTM layers, one on the other."""

    units: LstmUnits = (128, 64)

    @property
    def architecture(self) -> Architecture:
        """Its name."""
        return "lstm"

    @property
    def memory_width(self) -> int:
        """Float32 numbers of `(h, c)` of both layers."""
        return 2 * sum(self.units)

    @property
    def output_width(self) -> int:
        """Float32 numbers that the head reads."""
        return self.units[1]

    @property
    def work_width(self) -> int:
        """Float32 numbers per bucket and genre while a sequence is read, beside the features."""
        return 0

    def weight_shapes(self, feature_count: int) -> ArrayShapes:
        """Return name and shape of every array."""
        first, second = self.units
        return {
            "lstm1_kernel": (feature_count, 4 * first),
            "lstm1_recurrent_kernel": (first, 4 * first),
            "lstm1_bias": (4 * first,),
            "lstm2_kernel": (first, 4 * second),
            "lstm2_recurrent_kernel": (second, 4 * second),
            "lstm2_bias": (4 * second,),
        }


class TransformerSizes(_Sizes):
    """Layers of attention over the bucket itself and the `window` buckets before it.

    All heads of a layer share one key and one value per bucket, so these are all that is kept.
    """

    width: int = Field(default=64, ge=1, le=1024)
    heads: int = Field(default=4, ge=1, le=16)
    key_width: int = Field(default=16, ge=1, le=256)
    layers: int = Field(default=2, ge=1, le=8)
    window: int = Field(default=48, ge=1, le=1024)

    @model_validator(mode="after")
    def _memory_is_bounded(self) -> Self:
        if self.memory_width > MAX_MEMORY_WIDTH:
            raise ValueError(f"more than {MAX_MEMORY_WIDTH} numbers of memory per genre")
        return self

    @property
    def architecture(self) -> Architecture:
        """Its name."""
        return "transformer"

    @property
    def memory_width(self) -> int:
        """Float32 numbers: keys and values of `window` buckets in every layer, the last output."""
        return self.layers * self.window * 2 * self.key_width + self.width

    @property
    def output_width(self) -> int:
        """Float32 numbers that the head reads."""
        return self.width

    @property
    def work_width(self) -> int:
        """Float32 numbers per bucket and genre while a sequence is read, beside the features."""
        return self.heads * 2 * self.window

    def weight_shapes(self, feature_count: int) -> ArrayShapes:
        """Return name and shape of every array."""
        shapes: ArrayShapes = {
            "in_kernel": (feature_count, self.width),
            "in_bias": (self.width,),
        }
        asked, inner = self.heads * self.key_width, _MLP_FACTOR * self.width
        for layer in range(1, self.layers + 1):
            shapes |= {
                f"layer{layer}_attention_gain": (self.width,),
                f"layer{layer}_query_kernel": (self.width, asked),
                f"layer{layer}_key_value_kernel": (self.width, 2 * self.key_width),
                f"layer{layer}_age_bias": (self.heads, self.window + 1),
                f"layer{layer}_attention_kernel": (asked, self.width),
                f"layer{layer}_mlp_gain": (self.width,),
                f"layer{layer}_mlp_kernel": (self.width, inner),
                f"layer{layer}_mlp_bias": (inner,),
                f"layer{layer}_mlp_out_kernel": (inner, self.width),
            }
        return shapes | {"last_gain": (self.width,)}


CoreSizes = LstmSizes | TransformerSizes


def default_sizes(architecture: Architecture) -> CoreSizes:
    """Return the sizes that an architecture is trained with."""
    return TransformerSizes() if architecture == "transformer" else LstmSizes()


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """Sizes of a network: its core and its head."""

    feature_count: int
    step_feature_count: int
    quantile_count: int
    core: CoreSizes
    head: Head = "quantile"

    @property
    def output_count(self) -> int:
        """Outputs of the head per step: the mean and the quantiles; one for `point`."""
        return 1 if self.head == "point" else 1 + self.quantile_count

    @property
    def memory_width(self) -> int:
        """Float32 numbers that the core keeps per genre."""
        return self.core.memory_width

    def head_shapes(self) -> ArrayShapes:
        """Return name and shape of every array of the head."""
        return {
            "head_kernel": (self.core.output_width, HEAD_UNITS),
            "head_step_kernel": (self.step_feature_count, HEAD_UNITS),
            "head_bias": (HEAD_UNITS,),
            "out_kernel": (HEAD_UNITS, self.output_count),
            "out_step_kernel": (self.step_feature_count, self.output_count),
            "out_bias": (self.output_count,),
        }

    def weight_shapes(self) -> ArrayShapes:
        """Return name and shape of every array of the model."""
        return self.core.weight_shapes(self.feature_count) | self.head_shapes()
