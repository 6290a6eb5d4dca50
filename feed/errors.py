"""What can keep a reader from its forecasts."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors

from contracts.kafka_log import explain, explain_refusal


class FeedUnavailableError(Exception):
    """Kafka does not answer, or the topic is not there yet: try again later."""


class FeedRefusedError(Exception):
    """Kafka refuses us: the message says what; waiting alone does not help."""


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
