"""How TensorFlow is brought in here: quiet, few threads. The first to import it calls this."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

THREADS: Final = 2
"""Threads within one operation: a step is small, more would only fight with the consumer's IO."""

_STDERR: Final = 2
"""File descriptor: TensorFlow's C++ code writes to it past Python's `sys.stderr`."""

_NOISE: Final = re.compile(rb"^(WARNING: All log messages before absl|[IWE]0000 )")
"""What TensorFlow says on every machine without a GPU, before any log level applies."""


def import_tensorflow() -> None:
    """Import TensorFlow with few threads and without its greeting.

    Settings that the user has made in the environment stay as they are.
    """
    # Written, not read: TensorFlow takes these from the environment alone, at its import.
    for name, value in (
        ("TF_CPP_MIN_LOG_LEVEL", "3"),
        ("TF_NUM_INTRAOP_THREADS", str(THREADS)),
        ("TF_NUM_INTEROP_THREADS", "1"),
    ):
        os.environ.setdefault(name, value)  # noqa: TID251
    if "tensorflow" in sys.modules:
        return
    with _without_noise():
        import tensorflow

        # The devices are looked for, and lamented, at the first tensor.
        tensorflow.zeros(1)


@contextmanager
def _without_noise() -> Iterator[None]:
    """Hold back what is written to stderr, then pass on all of it that is not noise."""
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
            held.seek(0)
            rest = b"".join(line for line in held if not _NOISE.match(line))
            os.write(_STDERR, rest)
