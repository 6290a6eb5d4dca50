"""Nothing but kafka-python's `poll()`: what that client can deliver to anybody.

    python -m bench.peers.bare_app BOOTSTRAP TOPIC FROM_TO OUT

`FROM_TO` is a JSON object, partition to first and next-after-last offset.
"""

import json
import sys

from kafka import KafkaConsumer, TopicPartition

from bench.peers.meter import Meter
from consumer.broker.source import MAX_FETCH_BYTES
from contracts.settings import Settings


def main(bootstrap: str, topic: str, from_to: str, out: str) -> None:
    spans = {int(p): span for p, span in json.loads(from_to).items()}
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        isolation_level="read_committed",
        check_crcs=False,
        max_poll_records=Settings().max_poll_records,
        max_partition_fetch_bytes=MAX_FETCH_BYTES,
    )
    consumer.assign([TopicPartition(topic, p) for p in spans])
    for p, (begin, _) in spans.items():
        consumer.seek(TopicPartition(topic, p), begin)
    left = sum(end - begin for begin, end in spans.values())
    meter = Meter()
    meter.begin()  # connected; the first fetch belongs to the reading
    while left > 0:
        left -= sum(map(len, consumer.poll(timeout_ms=1000).values()))
    meter.end(out, ())
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
