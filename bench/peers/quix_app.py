"""The job in Quix Streams.

    python -m bench.peers.quix_app BOOTSTRAP TOPIC EVENTS OUT

As https://quix.io/docs/quix-streams/windowing.html and .../groupby.html have it: JSON topic, event
time by a timestamp extractor, one row per genre, tumbling windows that are final once closed. The
state directory is a fresh one.
"""

import os
import sys
import tempfile
from datetime import timedelta
from typing import Any

from quixstreams import Application

from bench.peers.click_model import Click
from bench.peers.meter import BUCKET_MS, CLOSER, Meter, run_name


def event_time(value: Any, _headers: Any, _timestamp: float, _type: Any) -> int:
    return int(value["event_time"])


def main(bootstrap: str, topic: str, events: str, out: str) -> None:
    app = Application(
        broker_address=bootstrap,
        consumer_group=run_name(out),
        auto_offset_reset="earliest",
        state_dir=tempfile.mkdtemp(prefix="bench-quix-"),
        loglevel="WARNING",
    )
    meter, final, seen = Meter(), {}, 0

    def decode(value: dict[str, Any]) -> list[dict[str, Any]]:
        nonlocal seen
        if not meter.has_begun:
            meter.begin()
        click = Click.model_validate(value)
        if click.genres == [CLOSER]:
            seen += 1
            if seen == 2:  # the first one has closed every window
                assert sum(final.values()) >= int(events)
                meter.end(out, ((genre, start, n) for (genre, start), n in final.items()))
                os._exit(0)
        return [{"genre": genre} for genre in click.genres]

    def keep(window: dict[str, int], key: Any, _timestamp: int, _headers: Any) -> None:
        final[key if isinstance(key, str) else key.decode(), window["start"]] = window["value"]

    clicks = app.topic(topic, value_deserializer="json", timestamp_extractor=event_time)
    rows = app.dataframe(clicks).apply(decode, expand=True)
    (
        rows.group_by("genre")
        .tumbling_window(timedelta(milliseconds=BUCKET_MS), grace_ms=timedelta(seconds=5))
        .count()
        .final(closing_strategy="partition")
        .update(keep, metadata=True)
    )
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
