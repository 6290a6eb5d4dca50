"""What can go wrong beyond a bad record, one reaction each."""


class BrokerUnavailableError(Exception):
    """Kafka does not answer, or not now: back off, positions unchanged."""


class TopicMissingError(BrokerUnavailableError):
    """A topic is not there, or not yet."""


class BrokerRefusedError(Exception):
    """Kafka refuses us a topic, a group or a transaction: say which right is missing."""


class BrokerLinkRefusedError(BrokerRefusedError):
    """Login or certificate are refused: other settings are needed, waiting alone is in vain."""


class DeadLetterRatioError(Exception):
    """Too many records are no events: pause, positions unchanged, until the producer is mended.

    Attributes:
        partition: Where they are.
        offset: From which offset on.
    """

    def __init__(self, told: str, partition: int, offset: int) -> None:
        super().__init__(told)
        self.partition, self.offset = partition, offset


class FencedError(Exception):
    """Another forecaster took over, or a transaction's outcome is unknown: take over anew."""


class InvariantError(Exception):
    """Log and state contradict each other: going on could publish wrong counts, so stop."""
