"""What can go wrong with a local Kafka and Redis, in words that say the way out."""

from typing import Final

OTHER_WAYS: Final = (
    "use Docker instead: `docker compose up`",
    "or use your own cluster: set GENRECAST_KAFKA_BOOTSTRAP and GENRECAST_REDIS_URL",
)
"""What always remains when a part cannot be had on this machine."""


class StackError(Exception):
    """The stack cannot do what was asked; the message is for the user."""


class MissingPartError(StackError):
    """A program or file that the stack needs cannot be had.

    Args:
        what: The part, such as "Java 17 or newer".
        why: What was tried and how it ended.
        install: How to bring the part to this machine.
    """

    def __init__(self, what: str, why: str, install: str) -> None:
        ways = "\n".join(f"  - {way}" for way in (install, *OTHER_WAYS))
        super().__init__(f"cannot get {what}: {why}\nways out:\n{ways}")


class PortInUseError(StackError):
    """A port that was asked for by number is taken."""


class AlreadyRunningError(StackError):
    """The stack runs already, on other ports than the ones asked for."""


class StartError(StackError):
    """A part was started and died, or did not answer in time."""


class BusyError(StackError):
    """Another process is starting or stopping the same stack."""
