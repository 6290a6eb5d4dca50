"""What can keep a reader from its forecasts."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors

from contracts.kafka_log import explain, explain_link_refusal
from contracts.refusals import denied_right


class FeedUnavailableError(Exception):
    """Kafka does not answer, or the topic is not there yet: try again later."""


class FeedRefusedError(Exception):
    """Kafka refuses us: the message says what; waiting alone does not help."""


class FeedLinkRefusedError(FeedRefusedError):
    """Login or certificate are refused: other settings are needed."""


class PositionError(Exception):
    """A position can't be read or kept: the message names the file and what to do."""


@contextmanager
def translated(doing: str, operation: str = "Describe", on: str = "") -> Iterator[None]:
    """Translate the client's errors.

    Args:
        doing: What is tried, for the message.
        operation: The right that it takes, as Kafka names it.
        on: What the right is on, where the client's error does not tell.
    """
    try:
        yield
    except (errors.KafkaError, OSError) as error:
        told = explain_link_refusal(error)
        if told is not None:
            raise FeedLinkRefusedError(told) from error
        told = denied_right(error, operation, on)
        if told is not None:
            raise FeedRefusedError(f"{doing}: {told}") from error
        raise FeedUnavailableError(f"{doing}: {explain(error)}") from error
