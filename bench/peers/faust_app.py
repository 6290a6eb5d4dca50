"""The job in Faust (faust-streaming).

    python -m bench.peers.faust_app BOOTSTRAP TOPIC EVENTS OUT

As https://faust-streaming.github.io/faust/userguide/tables.html has it: a Record that validates, an
agent, and a tumbling table by event time, in memory with its changelog topic.
"""

import os
import sys
import tempfile
from datetime import timedelta
from typing import Any

import faust
from faust.models.fields import StringField

from bench.peers.meter import BUCKET_MS, CLOSER, Meter, run_name

BOOTSTRAP, TOPIC, EVENTS, OUT = sys.argv[1:5]

app = faust.App(
    run_name(OUT),
    broker=f"kafka://{BOOTSTRAP}",
    topic_partitions=1,
    datadir=tempfile.mkdtemp(prefix="bench-faust-"),
    web_enabled=False,
    value_serializer="json",
)


class Click(faust.Record, validation=True):
    event_id: str = StringField(min_length=1, max_length=64)
    event_time: int
    user_id: str = StringField(min_length=1, max_length=64)
    show_id: str = StringField(min_length=1, max_length=64)
    genres: list[str]
    action: str = "click"
    watch_seconds: float | None = None
    age: int | None = None
    gender: str | None = None


def event_seconds(event: Any) -> float:
    return float(event.value.event_time) / 1000


clicks = app.topic(TOPIC, value_type=Click)
counts = (
    app.Table("counts", default=int, partitions=1)
    .tumbling(timedelta(milliseconds=BUCKET_MS), expires=timedelta(days=2))
    .relative_to(event_seconds)
)
meter = Meter()


@app.agent(clicks)
async def count(stream: Any) -> None:
    async for click in stream:
        if not meter.has_begun:
            meter.begin()
        if click.genres == [CLOSER]:
            meter.end(
                OUT,
                (
                    (genre, round(start * 1000), number)
                    for (genre, (start, _)), number in counts.table.data.items()
                ),
            )
            os._exit(0)
        for genre in click.genres:
            counts[genre] += 1


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "--without-web", "-l", "warn"]
    app.main()
