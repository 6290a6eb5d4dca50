"""Bytes that are nearly right: more telling than noise."""

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

MOST_MUTATIONS: Final = 6

TOKENS: Final = (
    b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b'"', b"{", b"}", b"[" * 2_000,
    b'{"a":' * 600, b"1e999", b"-0.0", b"NaN", b"9" * 400, b"1e-400", b"0x1", b"null", b"true",
    b"\\ud800", b"\\u0000", b"\r\n", b"%00", b"../", b"'", b"$(", b"\x1b[2J", b"A" * 70_000,
    b"(" * 900, b"-" * 9_000, b"1099511627776",
)  # fmt: skip
"""What parsers differ in, or fall over."""


@st.composite
def mutated(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """One of these byte strings, with a few parts of it cut out, repeated or replaced."""
    value = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(0, MOST_MUTATIONS))):
        begin = draw(st.integers(0, len(value)))
        end = min(len(value), begin + draw(st.sampled_from([0, 1, 2, 4, 16, 1_000])))
        part = draw(st.sampled_from(TOKENS) | st.binary(max_size=8) | st.just(value[begin:end] * 2))
        value = value[:begin] + part + value[end:]
    return value
