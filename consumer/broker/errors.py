"""The client's errors as the consumer's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors

from consumer.errors import BrokerRefusedError, BrokerUnavailableError, InvariantError
from contracts.kafka_log import explain, explain_refusal


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Translate any error of the client; `doing` names what was tried."""
    try:
        yield
    except (
        errors.AuthorizationError,
        errors.SaslAuthenticationFailedError,
        errors.UnsupportedSaslMechanismError,
    ) as error:
        raise BrokerRefusedError(f"{doing}: Kafka refuses: {explain_refusal(error)}") from error
    except errors.FencedInstanceIdError as error:
        raise InvariantError(
            "another consumer has come with the same GENRECAST_GROUP_INSTANCE_ID: give each its own"
        ) from error
    except (errors.KafkaError, OSError) as error:
        raise BrokerUnavailableError(f"{doing}: {explain(error)}") from error
