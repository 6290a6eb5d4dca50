"""Bytes put together from pieces are what a JSON writer and the Kafka client would have made."""

import json

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from contracts.events import ClickEvent
from contracts.kafka_batches import Producer, build_bodies, record_sizes, seal_batch
from producer_sim.genres import GenreProfile
from producer_sim.skew import Skew, SkewPlan
from producer_sim.traffic import ACTIONS, Clicks, Traffic
from producer_sim.wire import Renderer
from tests.unit.producer_sim.making import MONDAY_MS

TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=20
)

TRAFFIC = st.builds(
    lambda names, seed: Traffic(
        tuple(GenreProfile(name=name) for name in names),
        seed=seed,
        events_per_second=20.0,
        start_ms=MONDAY_MS,
        slice_ms=1_000,
    ),
    st.lists(TEXT, min_size=1, max_size=4, unique_by=str.casefold),
    st.integers(0, 3),
)


def expected(traffic: Traffic, clicks: Clicks, row: int) -> dict[str, object]:
    """Return the fields that an event must have, from columns and pieces as JSON reads them."""
    user = json.loads(b"{%b}" % traffic.users.pieces[clicks.user[row]])
    show = json.loads(b"{%b}" % traffic.shows.pieces[clicks.show[row]])
    action = int(clicks.action[row])
    last = len(ACTIONS) - 1
    fields = {"event_time": int(clicks.event_ms[row]), **user, **show}
    if action < last:
        return {**fields, "action": ACTIONS[action][0]}
    return {**fields, "action": ACTIONS[last][0], "watch_seconds": (action - last) / 10}


@hypothesis_settings(max_examples=20)
@given(TRAFFIC, st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1.0]))
def test_event_from_pieces_is_the_click_event_that_json_would_write(
    traffic: Traffic, index: int, new_genres: float
) -> None:
    times = MONDAY_MS + np.arange(30, dtype=np.int64) * 1_000
    clicks = traffic.at(index, times, index)
    skew = Skew(
        SkewPlan(new_genres=new_genres),
        hot_show=0,
        partition_of_user=np.zeros(len(traffic.users.keys), np.int64),
        start_ms=MONDAY_MS,
    )
    skewed = skew.apply(clicks)
    renderer = Renderer(traffic, 1)
    for row, value in enumerate(renderer.render(skewed)):
        read = json.loads(value)
        fields = expected(traffic, clicks, row)
        if skewed.show[row] < 0:
            number = int(clicks.number[row])
            fields |= {"show_id": f"n{number:x}", "genres": [renderer.new_genre(number)]}
        assert read == {"event_id": read["event_id"], **fields}
        assert ClickEvent.model_validate_json(value) == ClickEvent.model_validate_json(
            json.dumps({"event_id": read["event_id"], **fields})
        )


RECORDS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.binary(max_size=70)),
        st.one_of(st.none(), st.binary(max_size=300), st.just(b"x" * 9_000)),
    ),
    min_size=1,
    max_size=150,
)


@given(RECORDS, st.integers(1, 20_000), st.integers(0, 2**40), st.booleans())
def test_batch_built_at_once_is_read_by_the_client_as_it_was_given(
    records: list[tuple[bytes | None, bytes | None]],
    batch_bytes: int,
    timestamp_ms: int,
    is_transactional: bool,
) -> None:
    keys, values = [key for key, _ in records], [value for _, value in records]
    producer = Producer(7, 3, 41, is_transactional)
    read: list[tuple[bytes | None, bytes | None]] = []
    for body in build_bodies(keys, values, batch_bytes):
        assert body.first == len(read)
        batch = seal_batch(
            body.content, count=body.count, timestamp_ms=timestamp_ms, codec=0, producer=producer
        )
        (found,) = MemoryRecords(batch)
        assert isinstance(found, DefaultRecordBatch)
        assert found.validate_crc()
        assert (found.producer_id, found.producer_epoch, found.base_sequence) == (7, 3, 41)
        assert found.is_transactional is is_transactional
        made = list(found)
        assert [record.offset for record in made] == list(range(body.count))
        assert {record.timestamp for record in made} == {timestamp_ms}
        read += [(record.key, record.value) for record in made]
    assert read == records


@given(RECORDS)
def test_batch_has_the_very_bytes_that_the_client_would_have_written(
    records: list[tuple[bytes | None, bytes | None]],
) -> None:
    keys, values = [key for key, _ in records], [value for _, value in records]
    (body,) = build_bodies(keys, values, 2**30)
    theirs = DefaultRecordBatchBuilder(2, 0, False, 7, 3, 41, 2**30)
    for offset, (key, value) in enumerate(records):
        theirs.append(offset, 5_000, key, value, [])
    ours = seal_batch(
        body.content, count=body.count, timestamp_ms=5_000, codec=0,
        producer=Producer(7, 3, 41, False),
    )  # fmt: skip
    assert bytes(ours) == bytes(theirs.build())


@given(RECORDS)
def test_no_record_is_larger_than_it_is_taken_to_be(
    records: list[tuple[bytes | None, bytes | None]],
) -> None:
    sizes = record_sizes([key for key, _ in records], [value for _, value in records])
    estimates = [
        DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, []) for key, value in records
    ]
    assert sizes.tolist() == estimates
