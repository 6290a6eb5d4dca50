"""The job in Bytewax.

    python -m bench.peers.bytewax_app BOOTSTRAP TOPIC EVENTS OUT

As https://docs.bytewax.io/stable/guide/concepts/windowing.html has it: Kafka source, pydantic in a
map, an event clock, tumbling windows, counted per key; its finite source closes every window at
the end.
"""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower, count_window
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from bench.peers.click_model import Click
from bench.peers.meter import BUCKET_MS, Meter

ALIGN_TO = datetime(2020, 1, 1, tzinfo=UTC)
Item = tuple[str, datetime]


class Kept(StatelessSinkPartition):
    def __init__(self, counts: dict[tuple[str, int], int]) -> None:
        self.counts = counts

    def write_batch(self, items: list[Any]) -> None:
        for genre, (window, count) in items:
            start_ms = round(ALIGN_TO.timestamp() * 1000) + window * BUCKET_MS
            self.counts[genre, start_ms] = count


class Keep(DynamicSink):
    def __init__(self, counts: dict[tuple[str, int], int]) -> None:
        self.counts = counts

    def build(self, *_: Any) -> Kept:
        return Kept(self.counts)


def main(bootstrap: str, topic: str, events: str, out: str) -> None:
    meter = Meter()
    counts: dict[tuple[str, int], int] = {}

    def decode(message: Any) -> Iterable[Item]:
        if not meter.has_begun:
            meter.begin()
        click = Click.model_validate_json(message.value)
        at = datetime.fromtimestamp(click.event_time / 1000, UTC)
        return [(genre, at) for genre in click.genres]

    flow = Dataflow("counts")
    source = KafkaSource([bootstrap], [topic], tail=False)
    items = op.flat_map("decode", op.input("clicks", flow, source), decode)
    clock = EventClock(lambda item: item[1], wait_for_system_duration=timedelta(seconds=5))
    windower = TumblingWindower(length=timedelta(milliseconds=BUCKET_MS), align_to=ALIGN_TO)
    windows = count_window("count", items, clock, windower, key=lambda item: item[0])
    op.output("keep", windows.down, Keep(counts))
    run_main(flow)
    assert sum(counts.values()) >= int(events)
    meter.end(out, ((genre, start, number) for (genre, start), number in counts.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
