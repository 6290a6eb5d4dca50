"""Contracts: one spelling per genre, one judgement per event, what is written can be read."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.decode import decode_values
from contracts.events import ClickEvent, normalise_genre
from contracts.forecasts import BucketRecord, GenreForecast, ReplayPoint
from contracts.schema import documents, json_schema

MAX_BYTES = 65_536

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=66)
# What an identifier or a genre may just, or just not, be: lengths, blanks, controls, marks.
awkward = st.text(
    "a\u00df\u0345\u0301\x00\x1f\x7f\x9f\u00a0\u200d\u3000 \U0001f600", min_size=1, max_size=3
).flatmap(lambda some: st.sampled_from([some, some * 21, some * 32, some + "x" * 62]))
valid = {
    "event_id": st.text("ab1-", min_size=1, max_size=64),
    "event_time": st.integers(1, 253_402_300_799_999),
    "user_id": st.text("ab1-", min_size=1, max_size=64),
    "show_id": st.text("ab1-", min_size=1, max_size=64),
    "genres": st.lists(st.text("aBcÄß ", min_size=1, max_size=5), min_size=1, max_size=8),
}
optional = {
    "action": st.sampled_from(["click", "play", "like", "share", "impression"]),
    "watch_seconds": st.none() | st.floats(0, 86_400),
    "age": st.none() | st.integers(0, 120),
    "gender": st.none() | st.sampled_from("fmx"),
    "recommendation_id": st.none() | st.text("ab1-", min_size=1, max_size=64),
}
good_events = st.fixed_dictionaries(valid, optional=optional)
# Mostly right, with some field replaced: more telling than noise.
events = st.builds(
    lambda event, key, value, spoil: event | {key: value} if spoil else event,
    good_events,
    st.sampled_from([*valid, *optional, "unknown"]),
    anything | text | awkward | st.lists(awkward, max_size=9),
    st.booleans(),
)


@given(st.text())
def test_normalising_a_genre_twice_changes_nothing(genre: str) -> None:
    once = normalise_genre(genre)
    assert normalise_genre(once) == once


@given(events)
def test_the_consumer_judges_every_event_as_the_contract_does(event: dict[str, Any]) -> None:
    value = json.dumps(event, allow_nan=False, default=str).encode() if is_json(event) else None
    if value is None:
        return
    decoded = decode_values([value], MAX_BYTES)
    try:
        model = ClickEvent.model_validate(orjson.loads(value))
    except (ValidationError, orjson.JSONDecodeError):
        assert not decoded.events
        assert decoded.refused
        return
    assert not decoded.refused
    assert msgspec.structs.asdict(decoded.events[0]) == {
        **dict(model),
        "genres": tuple(model.genres),
    }


# What parsers differ in, as members beside the fields of an event.
members = st.sampled_from(
    [
        b"", b'"x":1', b'"x":1e400', b'"x":01', b'"x":"\xff"', b'"\xff":1', b'"x":"\\ud800"',
        b'"x":"\x01"', b'"x":' + b"[" * 1_100 + b"]" * 1_100, b'"x":NaN', b'"age":5.0',
        b'"age":1e0', b'"user_id":"\xed\xa0\x80"', b'"user_id":"a\\u0001"', b'"user_id":"\x7f"',
        b'"user_id":"\t"',
        b'"\\u0061ge":7', b'"gender":"\\u0066"', b'"event_time":17e11', b'"watch_seconds":1e400',
        b'"genres":["\xc2\x85"]', b'"genres":["a\\n"]', b'"genres":["\xe2\x80\x8d"]',
        b'"user_id":"\xc2\xa0"', b'"watch_seconds":-0.0', b'"action":null',
        b'"event_id":5,"event_id":"e"', b'"action":"\\u0069mpression"', b'"action":"impressions"',
        b'"recommendation_id":""', b'"recommendation_id":"r\\u0007"', b'"recommendation_id":"\x7f"',
        b'"recommendation_id":"\xc2\x85"', b'"recommendation_id":5', b'"recommendation_id":null',
    ]
)  # fmt: skip
tails = st.sampled_from([b"", b" \n", b"\0", b" x", b"}", b",{}"])


@given(
    st.lists(st.tuples(good_events, members, tails, st.integers(0, 400)), max_size=5),
    st.sampled_from([1, 3, 40]),
)
def test_many_values_are_judged_each_by_itself_as_the_contract_does(
    drawn: list[tuple[dict[str, Any], bytes, bytes, int]], times: int
) -> None:
    values: list[bytes | None] = []
    for event, member, tail, at in drawn:
        value = json.dumps(event, ensure_ascii=at % 2 == 0).encode()
        value = value[:-1] + (b"," + member if member else b"") + b"}" + tail
        values.append(value if at < 300 else None if at > 390 else value[: at - 200])
    values *= times
    decoded = decode_values(values, MAX_BYTES)
    accepted = {}
    for index, one in enumerate(values):
        try:
            accepted[index] = ClickEvent.model_validate(orjson.loads(one))  # type: ignore[arg-type]
        except (ValidationError, orjson.JSONDecodeError):
            continue
    assert list(decoded.positions) == list(accepted)
    assert [index for index, _ in decoded.refused] == sorted(
        set(range(len(values))) - set(accepted)
    )
    for click, model in zip(decoded.events, accepted.values(), strict=True):
        assert msgspec.structs.asdict(click) == {**dict(model), "genres": tuple(model.genres)}


def is_json(event: object) -> bool:
    try:
        json.dumps(event, allow_nan=False)
    except ValueError:
        return False
    return True


@given(good_events)
def test_events_survive_the_way_through_json(event: dict[str, Any]) -> None:
    try:
        model = ClickEvent.model_validate(event)
    except ValidationError:
        return  # genres of blanks only
    assert ClickEvent.model_validate_json(model.model_dump_json()) == model
    jsonschema.validate(json.loads(model.model_dump_json()), json_schema(ClickEvent))


clicks = st.floats(0, 1e9)
forecasts = st.builds(
    lambda genre, start, seconds, observed, steps: {
        "genre": genre, "bucket_start": start, "bucket_seconds": seconds,
        "observed_clicks": observed, "model_version": "m", "kind": "lstm", "emitted_at": 5,
        "horizon": [
            {
                "step": i + 1, "start": start + (i + 1) * seconds * 1000, "mean": step[0],
                "quantiles": dict(zip(["0.1", "0.5", "0.9"], sorted(step), strict=True)),
            }
            for i, step in enumerate(steps)
        ],
    },
    st.text("abc", min_size=1, max_size=5), st.integers(0, 2**40), st.integers(1, 86_400),
    st.integers(0, 2**50), st.lists(st.tuples(clicks, clicks, clicks), max_size=3),
)  # fmt: skip


@given(forecasts)
def test_forecasts_survive_the_way_through_json(fields: dict[str, Any]) -> None:
    forecast = GenreForecast.model_validate(fields)
    assert GenreForecast.model_validate_json(forecast.model_dump_json()) == forecast
    jsonschema.validate(json.loads(forecast.model_dump_json()), json_schema(GenreForecast))


def test_crossing_quantiles_are_refused() -> None:
    step = {"step": 1, "start": 1, "mean": 1.0, "quantiles": {"0.1": 2.0, "0.9": 1.0}}
    with pytest.raises(ValidationError, match="quantiles cross"):
        GenreForecast.model_validate(
            {
                "genre": "g", "bucket_start": 0, "bucket_seconds": 1, "observed_clicks": 0,
                "model_version": "m", "kind": "lstm", "horizon": [step], "emitted_at": 1,
            }
        )  # fmt: skip


@given(
    st.dictionaries(st.text("abc", min_size=1), st.lists(st.integers(0, 2**50), max_size=8)),
    st.dictionaries(st.integers(0, 99), st.integers(0, 2**50)),
    st.booleans(),
)
def test_journal_records_survive_the_way_through_json(
    counts: dict[str, list[int]], cut: dict[int, int], is_reset: bool
) -> None:
    record = BucketRecord(
        bucket_start=0,
        bucket_seconds=60,
        counts=counts,
        genres_first_bucket=dict.fromkeys(counts, 0),
        cut=cut,
        replay_from={p: ReplayPoint(offset=at, watermark=None) for p, at in cut.items()},
        is_reset=is_reset,
        model_version="m",
        emitted_at=1,
    )
    assert BucketRecord.model_validate_json(record.model_dump_json()) == record
    jsonschema.validate(json.loads(record.model_dump_json()), json_schema(BucketRecord))


def test_written_contracts_are_those_of_the_code() -> None:
    directory = Path(__file__).parents[2] / "docs" / "contracts"
    for name, expected in documents().items():
        assert (directory / name).read_text(encoding="utf-8") == expected, "run: genrecast schema"
