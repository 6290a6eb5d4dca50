import gzip
import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.measures import MEASURES
from model.loading import HistoryError, load_history

EVENTS = """event_id,event_time,user_id,show_id,genres,action,watch_seconds,age,gender
a,3600000,u1,s1,Crime|Drama,click,10.5,30,f
b,3600001,u2,s1, crime |CRIME,play,,,
c,10800000,u3,s2,Drama,click,2,50,m
"""


def test_events_count_once_in_each_of_their_genres(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text(EVENTS)
    history = load_history(path, 3600)
    assert history.names == ("crime", "drama")
    assert history.starts_ms.tolist() == [3_600_000, 7_200_000, 10_800_000]
    assert history.clicks.tolist() == [[2, 1], [0, 0], [0, 1]]
    assert history.first_row.tolist() == [0, 0]
    drama = dict(zip(MEASURES, history.cells[2, 1].tolist(), strict=True))
    assert drama == {
        "clicks": 1, "watch_ms": 2000, "watch_count": 1, "age_sum": 50, "age_count": 1,
        "female": 0, "male": 1, "other_gender": 0,
    }  # fmt: skip


def test_impressions_are_no_clicks(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("event_time,genres,action\n0,crime,click\n1,crime,impression\n2,crime,\n")
    assert load_history(path, 60).clicks.tolist() == [[2]]


def test_gzipped_json_lines_are_the_same_history(tmp_path: Path) -> None:
    csv, lines = tmp_path / "clicks.csv", tmp_path / "clicks.jsonl.gz"
    csv.write_text(EVENTS)
    rows = [
        {"event_time": 3_600_000, "genres": ["Crime", "Drama"], "watch_seconds": 10.5, "age": 30,
         "gender": "f"},
        {"event_time": 3_600_001, "genres": [" crime ", "CRIME"]},
        {"event_time": 10_800_000, "genres": ["Drama"], "watch_seconds": 2.0, "age": 50,
         "gender": "m"},
    ]  # fmt: skip
    with gzip.open(lines, "wt") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    one, other = load_history(csv, 3600), load_history(lines, 3600)
    assert one.names == other.names
    np.testing.assert_array_equal(one.cells, other.cells)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_counts_in_parquet_are_added_up_into_buckets(tmp_path: Path, unit: str) -> None:
    times = [datetime(2024, 1, 1, h // 2, 30 * (h % 2)) for h in range(4)]  # noqa: DTZ001
    table = pa.table(
        {
            "series": ["b", "b", "b", "b"],
            "timestamp": pa.array(times, pa.timestamp(unit)),
            "count": [1, 2, 3, 4],
        }
    )
    pq.write_table(table, tmp_path / "counts.parquet")
    history = load_history(tmp_path / "counts.parquet", 3600)
    assert history.clicks.tolist() == [[3], [7]]
    assert history.starts_ms[0] == 1_704_067_200_000


def test_times_may_be_iso_text(tmp_path: Path) -> None:
    path = tmp_path / "counts.jsonl"
    path.write_text(
        '{"series": "a", "timestamp": "2024-01-01T01:00:00+01:00", "count": 1}\n'
        '{"series": "a", "timestamp": "2024-01-01T01:00:00", "count": 5}\n'
    )
    history = load_history(path, 3600)
    assert history.clicks.tolist() == [[1], [5]]


BROKEN = {
    "unknown ending": ("x.txt", "a", "must end in"),
    "empty": ("x.csv", "", "cannot be read"),
    "other columns": ("x.csv", "a,b\n1,2\n", "it has a, b"),
    "broken json": ("x.jsonl", '{"a": ', "cannot be read"),
    "negative": ("x.csv", "series,timestamp,count\na,0,-1\n", "count must be whole numbers"),
    "fractions": ("x.csv", "series,timestamp,count\na,0,1.5\n", "count must be whole numbers"),
    "words": ("x.csv", "series,timestamp,count\na,0,many\n", "count holds values"),
    "odd time": ("x.csv", "series,timestamp,count\na,noon,1\n", "neither epoch ms nor ISO"),
    "no time": ("x.csv", "series,timestamp,count\na,,1\nb,5,1\n", "a time is missing"),
    "no rows": ("x.csv", "event_time,genres\n5,\n", "holds no rows"),
    "far apart": ("x.csv", "series,timestamp,count\na,0,1\na,9000000000000000,1\n", "too many"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_file_that_is_no_history_is_refused(tmp_path: Path, name: str) -> None:
    file_name, content, reason = BROKEN[name]
    path = tmp_path / file_name
    path.write_text(content)
    with pytest.raises(HistoryError, match=reason) as refused:
        load_history(path, 60)
    assert str(path) in str(refused.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="cannot be read"):
        load_history(tmp_path / "none.parquet", 60)


def test_names_in_a_table_stay_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    names = ["007", "2024-01-01", "true", "1.50"]
    path.write_text("series,timestamp,count\n" + "".join(f"{name},0,1\n" for name in names))
    assert load_history(path, 60).names == tuple(names)
