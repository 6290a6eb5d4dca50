"""Forecasts and journal, one transaction per bucket; a newer forecaster fences an older one."""

from collections.abc import Iterable
from typing import Final

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


class Publisher:
    """The forecaster's transactional producer; making one fences all older ones."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        with translated("opening the forecaster's transactions"):
            self._producer = KafkaProducer(
                **client_options(settings),
                client_id=f"genrecast-{settings.app}-forecaster",
                transactional_id=f"genrecast-{settings.app}",
                transaction_timeout_ms=to_ms(settings.transaction_timeout_seconds),
                acks="all",
                linger_ms=0,
                max_request_size=16 * 1024 * 1024,
                reconnect_backoff_max_ms=1_000,
                max_block_ms=to_ms(settings.transaction_timeout_seconds),
                request_timeout_ms=5_000,
                delivery_timeout_ms=8_000,
            )
            try:
                self._producer.init_transactions()
            except BaseException:
                self.close()
                raise

    def publish(
        self, bucket_ms: int, forecasts: Iterable[tuple[str, bytes]], journal: bytes
    ) -> None:
        """Write a bucket's forecasts (genre, JSON) and its journal record, all or none.

        Raises:
            FencedError: Another forecaster took over, or the outcome is unknown.
        """
        settings, producer = self._settings, self._producer
        try:
            producer.begin_transaction()
            futures = [
                producer.send(settings.topic_forecasts, value, key=genre.encode())
                for genre, value in forecasts
            ]
            key = str(bucket_ms).encode()
            futures.append(producer.send(settings.topic_buckets, journal, key=key, partition=0))
            producer.flush(timeout=settings.transaction_timeout_seconds)
            for future in futures:
                future.get(timeout=settings.transaction_timeout_seconds)
            self._commit()
        except _FENCED as error:
            raise FencedError("another forecaster took over") from error
        except kafka_errors.AuthorizationError:
            with translated("publishing forecasts"):
                raise
        except (kafka_errors.KafkaError, OSError) as error:
            # Committed or not: only the journal knows, and only a new producer may look.
            name = type(error).__name__
            raise FencedError(f"the transaction's outcome is unknown: {name}: {error}") from error

    def _commit(self) -> None:
        """Commit as the client's own method does, which waits without end (3.0.12)."""
        result = self._producer._transaction_manager.begin_commit()
        self._producer._sender.wakeup()
        if not result.wait(timeout_ms=to_ms(self._settings.transaction_timeout_seconds)):
            raise kafka_errors.KafkaTimeoutError("the broker does not answer the commit")

    def close(self) -> None:
        """Close the client at once; an open transaction is aborted by the next forecaster."""
        abandon(self._producer)
