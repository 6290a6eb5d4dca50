import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from contracts.options import ConfigurationError
from producer_sim.outgoing import NO_EVENT, Outgoing, judge
from producer_sim.replay import Fields, find_recording, read_recording, write_event
from producer_sim.sources import Replay

HEADER = "event_id,event_time,user_id,show_id,genres,action,watch_seconds,age,gender\n"
EVENT = {
    "event_id": "e1",
    "event_time": 1_000,
    "user_id": "u1",
    "show_id": "s1",
    "genres": ["Crime", "War"],
    "action": "play",
    "watch_seconds": 2.5,
    "age": 30,
    "gender": "f",
}


def read(path: Path) -> list[Fields | bytes]:
    return list(read_recording(find_recording(str(path))))


def portions(
    events: list[Fields | bytes], speed: float | None = None
) -> list[tuple[int, Outgoing]]:
    replay = Replay(
        events, shift_ms=0, latest_ms=10_000_000, max_event_bytes=65_536, partition_for=len
    )
    return [(portion.until_ms, portion.make(0)) for portion in replay.portions(None, speed)]


def test_csv_gives_typed_fields_and_leaves_out_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        HEADER + "e1,1000,u1,s1,Crime|War,play,2.5,30,f\ne2,2000,u1,s1,,like,,,\n", encoding="utf-8"
    )
    second = {"event_id": "e2", "event_time": 2_000, "user_id": "u1", "show_id": "s1"}
    assert read(path) == [EVENT, second | {"genres": [], "action": "like"}]


def test_what_is_wrong_in_a_csv_stays_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(f"{HEADER}e1,soon,u1,s1,Crime,play,,thirty,\n".encode()))
    (event,) = read(path)
    assert isinstance(event, dict)
    assert (event["event_time"], event["age"]) == ("soon", "thirty")
    assert judge(write_event(event, 0), 65_536) is None


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson.gz"])
def test_json_lines_keep_broken_lines_as_they_are(tmp_path: Path, name: str) -> None:
    lines = json.dumps(EVENT).encode() + b"\n\n{broken\n[1]\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    assert read(path) == [EVENT, b"{broken", b"[1]"]


def test_parquet_reads_lists_and_timestamps(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    moment = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    joined = EVENT | {"event_id": "e2", "genres": "Crime|War", "event_time": moment}
    for event in (EVENT, joined):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([event]), path)
        assert read(path) == [EVENT | {"event_id": event["event_id"]}]


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("a.txt", b"", "must end in"),
        ("a.csv", b"time,user\n1,2\n", "no column event_time"),
        ("a.csv.gz", b"no gzip", "a.csv.gz"),
        ("a.parquet", b"no parquet", "a.parquet"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(
    tmp_path: Path, name: str, content: bytes, part: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=part):
        read(path)


def test_a_missing_file_is_refused_naming_the_recordings_that_come_along() -> None:
    with pytest.raises(ConfigurationError, match="movietweetings"):
        find_recording("nowhere.csv")


def test_the_recording_that_comes_along_is_whole() -> None:
    events = list(read_recording(find_recording("movietweetings")))
    assert len(events) == 100_000
    invalid = [event for event in events if judge(write_event(event, 0), 65_536) is None]
    assert len(invalid) == 79


def test_shift_moves_times_only() -> None:
    assert json.loads(write_event(EVENT, 500)) == EVENT | {"event_time": 1_500}
    assert json.loads(write_event({"event_time": "soon"}, 500)) == {"event_time": "soon"}
    assert json.loads(write_event({"event_time": 2**70}, 0)) == {"event_time": 2**70}


def test_portions_follow_event_time_at_the_speed_asked() -> None:
    # 50 ms of wall time at speed 10 are 500 ms of event time.
    events: list[Fields | bytes] = [EVENT | {"event_time": at} for at in (1_000, 1_400, 1_600)]
    paced = portions(events, 10.0)
    assert [(until, len(outgoing)) for until, outgoing in paced] == [(1_400, 2), (1_600, 1)]
    assert [(until, len(outgoing)) for until, outgoing in portions(events)] == [(1_600, 3)]


def test_an_event_of_the_far_future_is_sent_and_not_waited_for() -> None:
    events: list[Fields | bytes] = [EVENT, EVENT | {"event_time": 10**12}, b"{broken"]
    ((until_ms, outgoing),) = portions(events)
    assert until_ms == 1_000
    assert outgoing.event_ms == [1_000, 10**12, 0]
    assert outgoing.genre_list == [0, 0, NO_EVENT]
    assert outgoing.keys == [b"u1", b"u1", b""]
