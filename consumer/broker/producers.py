"""Ending a Kafka producer that can't be closed in order."""

from contextlib import suppress
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

ABANDON_SECONDS: Final = 1.0
"""How long the client's thread may take to notice that it is to end, seconds."""


def abandon(producer: KafkaProducer) -> None:
    """End a producer at once: what it has not sent yet is not sent any more.

    Its own `close` first waits for what it holds, and where that is in vain leaves its thread
    running (3.0.12), which would go on sending at some later time.
    """
    sender = producer._sender
    if sender is not None:
        sender.force_close()
        sender.join(ABANDON_SECONDS)
    with suppress(KafkaTimeoutError):
        producer.close(timeout=0)
