"""The client's errors as the consumer's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors

from consumer.errors import (
    BrokerLinkRefusedError,
    BrokerRefusedError,
    BrokerUnavailableError,
    InvariantError,
)
from contracts.kafka_log import explain, explain_link_refusal
from contracts.refusals import denied_right


@contextmanager
def translated(doing: str, operation: str = "Describe", on: str = "") -> Iterator[None]:
    """Translate any error of the client.

    Args:
        doing: What is tried, for the message.
        operation: The right that it takes, as Kafka names it.
        on: What the right is on, where the client's error does not tell.
    """
    try:
        yield
    except errors.FencedInstanceIdError as error:
        raise InvariantError(
            "another consumer has come with the same GENRECAST_GROUP_INSTANCE_ID: give each its own"
        ) from error
    except (errors.KafkaError, OSError) as error:
        told = explain_link_refusal(error)
        if told is not None:
            raise BrokerLinkRefusedError(told) from error
        told = denied_right(error, operation, on)
        if told is not None:
            raise BrokerRefusedError(f"{doing}: {told}") from error
        raise BrokerUnavailableError(f"{doing}: {explain(error)}") from error
