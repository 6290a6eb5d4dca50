"""The simulator's log: on stderr, without the Kafka client's own."""

import logging
import sys

from contracts.kafka_log import quiet_kafka_log
from contracts.settings import Settings


def set_up_logging(settings: Settings) -> None:
    """Log to stderr at the level asked for."""
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    quiet_kafka_log()
