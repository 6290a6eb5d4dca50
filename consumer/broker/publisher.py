"""All that is published of a bucket, one transaction; a newer forecaster fences an older one."""

from collections.abc import Iterable
from itertools import chain

from consumer.broker.transactions import Outgoing, Transactions
from contracts.settings import Settings


class Publisher:
    """The forecaster's transactional producer; making one fences all older ones."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._transactions = Transactions(
            settings, who="forecaster", transactional_id=f"genrecast-{settings.app}"
        )

    def publish(
        self,
        bucket_ms: int,
        forecasts: Iterable[tuple[str, bytes]],
        journal: bytes,
        alerts: Iterable[tuple[str, bytes]] = (),
    ) -> None:
        """Write a bucket's forecasts (genre, JSON), alerts and journal record, all or none.

        Raises:
            FencedError: Another forecaster took over, or the outcome is unknown.
        """
        settings = self._settings
        messages = (
            Outgoing(settings.topic_forecasts, value, genre.encode()) for genre, value in forecasts
        )
        told = (
            Outgoing(settings.topic_alerts, value, key.encode(), partition=0)
            for key, value in alerts
        )
        key = str(bucket_ms).encode()
        record = Outgoing(settings.topic_buckets, journal, key, partition=0)
        self._transactions.write(chain(messages, told, (record,)))

    def close(self) -> None:
        """Close the client at once; an open transaction is aborted by the next forecaster."""
        self._transactions.close()
