"""How records are read: whole batches as columns where this client lets us, else one by one."""

import logging
from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer

from consumer.records import Columns, Record
from contracts.settings import Settings

log = logging.getLogger(__name__)


def choose_reader(consumer: KafkaConsumer, settings: Settings) -> None:
    """Have a new consumer read by batch, if the settings and its release allow it."""
    if settings.reader == "public":
        return
    try:
        from consumer.broker.batch_reader import install

        difference = install(consumer)
    except (ImportError, AttributeError) as error:  # its insides are not where they were
        difference = str(error)
    if difference:
        log.warning("reading record by record: in this kafka-python %s", difference)


def joined(records: list[Any]) -> Sequence[Record]:
    """Return what a poll gave of one partition, at least one: columns, or the client's records."""
    return Columns.joined(records) if isinstance(records[0], Columns) else records
