"""Room for temporary files: models are checked in one, what TensorFlow says is held in another."""

import tempfile

from contracts.options import ConfigurationError


def check_scratch() -> None:
    """Check that temporary files can be written, before anything needs one.

    Raises:
        ConfigurationError: They can't, as in a container with a read-only file system alone.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        message = (
            "TMPDIR: temporary files can be written neither there nor in /tmp: in a container"
            " with a read-only file system mount a tmpfs at /tmp, as docker run --tmpfs /tmp"
        )
        raise ConfigurationError(message) from None
