"""How TensorFlow runs here: quiet, few threads. To be called before TensorFlow is imported."""

import os
from typing import Final

THREADS: Final = 2
"""Threads within one operation: a step is small, more would only fight with the consumer's IO."""


def settle_tensorflow() -> None:
    """Set log level and threads; does nothing where the user or an earlier call has set them."""
    # Written, not read: TensorFlow takes these from the environment alone, at its import.
    for name, value in (("TF_CPP_MIN_LOG_LEVEL", "3"), ("TF_ENABLE_ONEDNN_OPTS", "0")):
        os.environ.setdefault(name, value)  # noqa: TID251
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(THREADS))  # noqa: TID251
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")  # noqa: TID251
