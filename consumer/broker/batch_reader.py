"""Whether this client is as `consumer.broker.batches` expects, and reading by batch if it is."""

import inspect

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.record import MemoryRecords

from consumer.broker.batch_format import difference_in_format
from consumer.broker.batches import BatchRecords


def install(consumer: KafkaConsumer) -> str | None:
    """Have a consumer's `poll()` return `Columns`, one or several per partition, in lists.

    Returns:
        None; or what this client has that is not as expected: it is left as it is then.
    """
    try:
        difference = _difference(consumer)
    except Exception as error:  # noqa: BLE001 (whatever another release raises when it is tried)
        difference = f"{type(error).__name__}: {error}"
    if difference is None:
        consumer._fetcher.PartitionRecords = BatchRecords
    return difference


def _difference(consumer: KafkaConsumer) -> str | None:
    theirs = Fetcher.PartitionRecords
    wanted = ["key_deserializer", "value_deserializer", "check_crcs", "isolation_level",
              "aborted_transactions", "metric_aggregator", "on_drain"]  # fmt: skip
    signatures: dict[str, list[str]] = {
        "__init__": ["self", "fetch_offset", "tp", "records", *wanted],
        "take": ["self", "n"],
        "_unpack_records": ["self", "tp", "records", "key_deserializer", "value_deserializer"],
        "_maybe_skip_record": ["self", "record"],
        "_consume_aborted_transactions_up_to": ["self", "offset"],
        "_contains_abort_marker": ["self", "batch"],
        "drain": ["self"],
    }
    for name, parameters in signatures.items():
        if list(inspect.signature(getattr(theirs, name)).parameters) != parameters:
            return f"PartitionRecords.{name} takes other arguments"
    if consumer._fetcher.PartitionRecords is not theirs:
        return "its fetcher has another PartitionRecords"
    if consumer.config["key_deserializer"] or consumer.config["value_deserializer"]:
        return "it has deserializers"
    return difference_in_format() or _difference_in_reading()


def _difference_in_reading() -> str | None:
    """Read an empty fetch, which shows whether the parts used here are there."""
    some = BatchRecords(7, TopicPartition("none", 0), MemoryRecords(b""), check_crcs=False)
    wanted = {"record_iterator", "next_fetch_offset", "leader_epoch", "aborted_producer_ids",
              "aborted_transactions", "bytes_read", "records_read", "isolation_level"}  # fmt: skip
    missing = wanted - vars(some).keys()
    if missing:
        return f"PartitionRecords has no {', '.join(sorted(missing))}"
    if some.take(1) or some or some.next_fetch_offset != 7:
        return "an empty fetch is read in another way"
    return None
