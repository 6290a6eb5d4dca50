"""The job as a plain confluent-kafka loop with pydantic.

    python -m bench.peers.confluent_app BOOTSTRAP TOPIC EVENTS OUT

As https://docs.confluent.io/kafka-clients/python/current/overview.html has it, with the batched
`consume` that it names for throughput, and Counter for the counts.
"""

import sys
from collections import Counter

from confluent_kafka import Consumer

from bench.peers.click_model import Click
from bench.peers.meter import BUCKET_MS, Meter, run_name


def main(bootstrap: str, topic: str, events: str, out: str) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": run_name(out),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    meter, left = Meter(), int(events)
    counts: Counter[tuple[str, int]] = Counter()
    while left > 0:
        messages = consumer.consume(num_messages=min(left, 10_000), timeout=1.0)
        if messages and not meter.has_begun:
            meter.begin()
        for message in messages:
            if message.error():
                raise SystemExit(message.error())
            click = Click.model_validate_json(message.value())
            bucket = click.event_time - click.event_time % BUCKET_MS
            for genre in click.genres:
                counts[genre, bucket] += 1
        left -= len(messages)
    meter.end(out, ((genre, bucket, count) for (genre, bucket), count in counts.items()))
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
