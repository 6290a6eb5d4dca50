"""A transactional producer: some records, all of them or none; a newer one fences an older one."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from consumer.broker.errors import translated
from consumer.broker.producers import abandon
from consumer.errors import FencedError
from contracts.clock import to_ms
from contracts.kafka_client import client_options
from contracts.settings import Settings

_FENCED: Final = (
    kafka_errors.ProducerFencedError,
    kafka_errors.InvalidProducerEpochError,
    kafka_errors.TransactionCoordinatorFencedError,
)


class Outgoing(NamedTuple):
    """A record to write; without a partition its key decides."""

    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Transactions:
    """One writer at a time; making one fences all older ones, and ends what they left open.

    Args:
        settings: The deployment.
        who: Who writes; it names the client and stands in messages.
        transactional_id: What the broker knows the writer by.
    """

    def __init__(self, settings: Settings, *, who: str, transactional_id: str) -> None:
        self._who = who
        self._timeout_seconds = settings.transaction_timeout_seconds
        with translated(f"opening the {who}'s transactions"):
            self._producer = KafkaProducer(
                **client_options(settings),
                client_id=f"genrecast-{settings.app}-{who}",
                transactional_id=transactional_id,
                transaction_timeout_ms=to_ms(self._timeout_seconds),
                acks="all",
                linger_ms=0,
                max_request_size=16 * 1024 * 1024,
                reconnect_backoff_max_ms=1_000,
                max_block_ms=to_ms(self._timeout_seconds),
                request_timeout_ms=5_000,
                delivery_timeout_ms=8_000,
            )
            try:
                self._producer.init_transactions()
            except BaseException:
                self.close()
                raise

    def write(self, records: Iterable[Outgoing]) -> None:
        """Write records in one transaction, all or none.

        Raises:
            BrokerRefusedError: A right is missing.
            FencedError: Another writer took over, or the outcome is unknown.
        """
        producer = self._producer
        try:
            producer.begin_transaction()
            futures = [
                producer.send(r.topic, r.value, r.key, list(r.headers), r.partition)
                for r in records
            ]
            producer.flush(timeout=self._timeout_seconds)
            for future in futures:
                future.get(timeout=self._timeout_seconds)
            self._commit()
        except _FENCED as error:
            raise FencedError(f"another {self._who} took over") from error
        except kafka_errors.AuthorizationError:
            with translated(f"writing as {self._who}"):
                raise
        except (kafka_errors.KafkaError, OSError) as error:
            # Committed or not: only the topics know, and only a new producer may look.
            name = type(error).__name__
            raise FencedError(f"the transaction's outcome is unknown: {name}: {error}") from error

    def _commit(self) -> None:
        """Commit as the client's own method does, which waits without end (3.0.12)."""
        result = self._producer._transaction_manager.begin_commit()
        self._producer._sender.wakeup()
        if not result.wait(timeout_ms=to_ms(self._timeout_seconds)):
            raise kafka_errors.KafkaTimeoutError("the broker does not answer the commit")

    def close(self) -> None:
        """Close the client at once; an open transaction is aborted by the next writer."""
        abandon(self._producer)
