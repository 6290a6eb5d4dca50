"""What can keep a reader from its forecasts."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors

from contracts.kafka_log import explain, explain_refusal


class FeedUnavailableError(Exception):
    """Kafka does not answer, or the topic is not there yet: try again later."""


class FeedRefusedError(Exception):
    """Kafka refuses us: the message says what; waiting alone does not help."""


class PositionError(Exception):
    """A position can't be read or kept: the message names the file and what to do."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Translate the client's errors; `doing` names what was tried."""
    try:
        yield
    except (
        errors.AuthorizationError,
        errors.SaslAuthenticationFailedError,
        errors.UnsupportedSaslMechanismError,
    ) as error:
        raise FeedRefusedError(f"{doing}: Kafka refuses: {explain_refusal(error)}") from error
    except (errors.KafkaError, OSError) as error:
        raise FeedUnavailableError(f"{doing}: {explain(error)}") from error
