"""The ledger: which dead letters were sent again, each named in the transaction that sent it."""

from consumer.broker.topic_log import OnProgress, TopicLog
from consumer.broker.transactions import Outgoing
from consumer.dead_letters.letters import Letter, Origin, Origins, origin_of
from consumer.errors import InvariantError, TopicMissingError
from contracts.settings import Settings

SENT_AGAIN = b"sent again"
"""An entry's value: without one, compaction would take the entry for deleted."""


def read_ledger(settings: Settings, on_progress: OnProgress | None = None) -> Origins:
    """Return the records of `clicks` that were sent again, as of now; none without a ledger.

    Raises:
        BrokerUnavailableError, BrokerRefusedError: It can't be read.
        InvariantError: It holds something else.
    """
    origins = Origins()
    try:
        with TopicLog(settings, settings.topic_replayed) as log:
            for stretch in log.read(on_progress=on_progress):
                for record in stretch.records:
                    origins.add(_named(settings, dict(record.headers)))
    except TopicMissingError:
        return origins  # the first replay makes it
    return origins


def _named(settings: Settings, headers: dict[str, bytes]) -> Origin:
    origin = origin_of(headers)
    if origin is None:
        raise InvariantError(
            f"topic {settings.topic_replayed} holds a record that names no dead letter: is the "
            "topic shared with something else?"
        )
    return origin


def ledger_entry(settings: Settings, origin: Origin, letter: Letter) -> Outgoing:
    """Return what names a letter on the ledger."""
    headers = (
        ("genrecast-topic", origin.topic.encode()),
        ("genrecast-partition", str(origin.partition).encode()),
        ("genrecast-offset", str(origin.offset).encode()),
        ("genrecast-dead-letter", str(letter.place).encode()),
    )
    topic = settings.topic_replayed
    return Outgoing(topic, SENT_AGAIN, str(origin).encode(), partition=0, headers=headers)
