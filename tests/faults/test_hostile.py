"""Hostile records, genres, models and state, through real processes: refused, named, gone on."""

import math
import shutil
import signal
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from consumer.broker.topic_log import TopicLog
from consumer.verify import verify
from contracts.forecasts import GenreForecast
from contracts.measures import OTHER_GENRE
from model.artifact import WEIGHTS_NAME
from model.registry import SHIPPED_DIRECTORY
from state.packing import pack_state
from state.store import SavedState
from tests.faults.lab import CALM_SECONDS
from tests.faults.oracle import Outcome, assert_exact
from tests.faults.trial import TRAFFIC, Trial
from tests.packing import GIANT, giant, send_packed
from tests.packing import record as record_bytes
from tests.unit.consumer.test_decode import GOOD, HOSTILE, record
from tests.unit.model.test_artifact import cut_weights, put_arrays

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(240)]

MakeTrial = Callable[..., Trial]

MAX_MESSAGE_BYTES = 12_000_000
UNPACKED_BYTES = 20_000_000
"""Of a record whose batch is small: more than the dead-letter topic, or a request, may have."""

LSTM = {"bucket_seconds": 60}  # buckets that the shipped model knows

ODD_GENRES = [
    "*", "{tag}", "{genrecast:default}:meta", "../../etc", "'\"`", "a\\b", "(other)", "عربي",
    "👨‍👩‍👧", "<script>", "$(id)", "%s", "0", "null", "g" * 64,
]  # fmt: skip

Sent = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


def send(trial: Trial, records: Sequence[Sent]) -> None:
    """Write records to the first partition, in order."""
    producer = KafkaProducer(
        bootstrap_servers=trial.settings.kafka_bootstrap,
        max_request_size=MAX_MESSAGE_BYTES,
        acks="all",
        linger_ms=20,
    )
    try:
        sent = [
            producer.send(trial.settings.topic_clicks, value, key=key, headers=headers, partition=0)
            for value, key, headers in records
        ]
        producer.flush(timeout=60)
        for future in sent:
            future.get(timeout=60)
    finally:
        producer.close(timeout=10)


def allow_large_records(trial: Trial) -> None:
    name = trial.settings.topic_clicks
    configs = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
    resource = ConfigResource(ConfigResourceType.TOPIC, name, configs)
    trial.with_admin(lambda admin: admin.alter_configs([resource]))


def counted(outcome: Outcome) -> dict[str, int]:
    sums: dict[str, int] = {}
    for forecast in outcome.forecasts:
        sums[forecast.genre] = sums.get(forecast.genre, 0) + forecast.observed_clicks
    return sums


def test_every_hostile_record_is_a_dead_letter_that_names_the_field(make_trial: MakeTrial) -> None:
    trial = make_trial(partitions=1)
    allow_large_records(trial)
    sound: Sent = (record(), b"user", [])
    large = (record(extra="x" * 1_000_000), "value: 1000")
    corpus: list[tuple[bytes | None, str]] = [*HOSTILE.values(), large]
    records: list[Sent] = [sound]
    for value, _ in corpus:
        records += [(value, b"user" if value is None else None, []), sound]
    records.append((b"{", b"k" * 1_000, [("noise", b"\xff" * 10_000_000)]))
    records.append((record(), None, [("noise", b"\x00" * 10_000_000)]))
    reasons = {2 * i + 1: reason for i, (_, reason) in enumerate(corpus)}
    reasons[len(records) - 2] = "value: not JSON"
    trial.consume()
    send(trial, records)
    outcome = trial.assert_exact()

    told = {}
    for letter in outcome.dead_letters:
        headers = dict(letter.headers)
        told[int(headers["genrecast-offset"])] = headers["genrecast-reason"].decode()
    assert told.keys() == reasons.keys()
    for offset, reason in reasons.items():
        assert told[offset].startswith(reason), told[offset]
    assert counted(outcome) == {"crime": len(records) - len(reasons)}


def test_a_record_that_unpacks_to_more_than_any_topic_takes_is_a_dead_letter(
    make_trial: MakeTrial,
) -> None:
    trial = make_trial(partitions=1)
    trial.consume()
    producer = KafkaProducer(
        bootstrap_servers=trial.settings.kafka_bootstrap,
        max_request_size=2 * UNPACKED_BYTES,
        compression_type="zstd",
        acks="all",
    )
    try:
        for value in (record(), b" " * UNPACKED_BYTES, record()):
            producer.send(trial.settings.topic_clicks, value, partition=0).get(timeout=60)
    finally:
        producer.close(timeout=10)
    outcome = trial.drain()
    [letter] = outcome.dead_letters
    headers = dict(letter.headers)
    assert headers["genrecast-reason"].decode().startswith(f"value: {UNPACKED_BYTES} bytes")
    assert len(letter.value or b"") == trial.settings.max_event_bytes
    assert headers["genrecast-cut-from-bytes"] == str(UNPACKED_BYTES).encode()
    assert counted(outcome) == {"crime": 2}


def test_a_batch_that_unpacks_to_more_than_the_memory_is_counted_record_by_record(
    make_trial: MakeTrial,
) -> None:
    trial = make_trial(partitions=1)
    sound = 120_000
    parts = chain(
        record_bytes(record(), 0),
        giant(1),
        chain.from_iterable(record_bytes(record(), 2 + n) for n in range(sound)),
        giant(2 + sound),
    )
    settings = trial.settings
    send_packed(settings.kafka_bootstrap, settings.topic_clicks, parts, sound + 3)
    member = trial.consume()
    trial.settle()
    assert member.peak_rss_bytes < 400_000_000
    with TopicLog(trial.settings, trial.settings.topic_dead_letter) as log:
        told = [dict(letter.headers) for some in log.read() for letter in some.records]
    assert [headers["genrecast-offset"] for headers in told] == [b"1", b"%d" % (2 + sound)]
    for headers in told:
        assert headers["genrecast-reason"].startswith(b"value: %d bytes" % GIANT)
        assert headers["genrecast-cut-from-bytes"] == b"%d" % GIANT
    verified = verify(trial.settings, None, lambda _: lambda *_: None)
    assert not verified.differences
    assert (verified.events, verified.dead_letters) == (1 + sound, 2)


def test_odd_genres_are_counted_and_stay_out_of_key_names(make_trial: MakeTrial) -> None:
    trial = make_trial(partitions=1)
    trial.consume()
    composed, decomposed = "caf\u00e9", unicodedata.normalize("NFD", "Cafe\u0301")
    records: list[Sent] = [
        (record(genres=[genre]), None, []) for genre in [*ODD_GENRES, composed, decomposed]
    ]
    send(trial, records)
    outcome = trial.assert_exact()
    assert counted(outcome) == {**dict.fromkeys(ODD_GENRES, 1), composed: 2}
    assert set(outcome.journal[-1].counts) == {*ODD_GENRES, composed}
    assert trial.store.read_genres().keys() == {*ODD_GENRES, composed}


def test_genres_past_the_limit_count_under_other_and_every_sum_is_exact(
    make_trial: MakeTrial,
) -> None:
    trial = make_trial(partitions=1, max_genres=1_000, max_poll_records=2_000)
    member = trial.consume()
    start = GOOD["event_time"]
    assert isinstance(start, int)
    send(trial, [
        (record(event_time=start + 10 * i, genres=[f"g{8 * i + j}" for j in range(8)]), None, [])
        for i in range(12_500)
    ])  # fmt: skip
    outcome = trial.drain()
    sums = counted(outcome)
    assert len(sums) == 1_001
    assert sum(sums.values()) == 100_000
    assert sums.pop(OTHER_GENRE) == 99_000
    assert set(sums.values()) == {1}
    assert not outcome.dead_letters
    assert not outcome.late
    assert member.peak_rss_bytes < 320_000_000


def spoil_with_nan(directory: Path) -> None:
    put_arrays(directory, head_bias=np.full_like(array(directory, "head_bias"), np.nan))


def spoil_shape(directory: Path) -> None:
    put_arrays(directory, head_bias=array(directory, "head_bias")[:-1])


def array(directory: Path, name: str) -> np.ndarray:
    with np.load(directory / WEIGHTS_NAME) as arrays:
        loaded: np.ndarray = arrays[name]
        return loaded


def test_broken_model_is_refused_while_the_old_one_goes_on(
    make_trial: MakeTrial, tmp_path: Path
) -> None:
    directory = tmp_path / "model"
    shutil.copytree(SHIPPED_DIRECTORY, directory)
    trial = make_trial(model_dir=directory, **LSTM)
    trial.consume()
    trial.simulate("--events", 6_000, "--rate", 500, *TRAFFIC)
    trial.wait_for_buckets(2)
    for spoil, reason in (
        (cut_weights, "sha256 differs"),
        (spoil_shape, "head_bias has shape"),
        (spoil_with_nan, "head_bias holds values that are not finite"),
    ):
        shutil.rmtree(directory)
        shutil.copytree(SHIPPED_DIRECTORY, directory)
        spoil(directory)
        newcomer = trial.consume()
        assert newcomer.wait(CALM_SECONDS) == 2
        told = " ".join(newcomer.log.read_text().split())
        assert f"GENRECAST_MODEL_DIR: {directory / WEIGHTS_NAME}" in told
        assert reason in told
        newcomer.log.unlink()
    outcome = trial.drain()
    assert_exact(outcome)
    assert {forecast.kind for forecast in outcome.forecasts} == {"lstm"}
    assert len({forecast.model_version for forecast in outcome.forecasts}) == 1


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_poisoned_state_of_one_genre_is_reset_and_flagged(
    make_trial: MakeTrial, poison: float
) -> None:
    trial = make_trial(**LSTM)
    first = trial.consume()
    trial.simulate("--events", 6_000, "--rate", 500, *TRAFFIC)
    trial.wait_for_buckets(3)
    first.send(signal.SIGTERM)
    assert first.wait(CALM_SECONDS) == 0
    poisoned = poison_state(trial, poison)
    second = trial.consume()
    outcome = trial.drain()
    assert_exact(outcome)
    told = second.log.read_text()
    assert f"state of genre {poisoned!r} was not finite: begun anew" in told
    assert told.count("was not finite") == 1
    assert all(is_finite(forecast) for forecast in outcome.forecasts)
    assert {forecast.kind for forecast in outcome.forecasts} == {"lstm"}
    after = trial.store.read_states()
    assert after
    for saved in after.values():
        assert np.isfinite(np.frombuffer(saved.blob, np.float32)).all()


def poison_state(trial: Trial, poison: float) -> str:
    """Put a number into the middle of one genre's row, as a broken writer would."""
    deadline = time.monotonic() + 10
    while not (states := trial.store.read_states()):
        assert time.monotonic() < deadline
    (saved,) = states.values()
    rows = np.frombuffer(saved.blob, np.float32).reshape(saved.genre_count, -1).copy()
    rows[1, rows.shape[1] // 2] = poison
    write_state(trial, saved, rows)
    return list(trial.store.read_window().genres)[1]


def write_state(trial: Trial, saved: SavedState, rows: np.ndarray) -> None:
    import redis

    with redis.Redis.from_url(trial.redis_url) as client:
        key = f"{{genrecast:{trial.settings.app}}}:model_state"
        assert client.hget(key, saved.model_version) == pack_state(saved)
        client.hset(key, saved.model_version, pack_state(replace(saved, blob=rows.tobytes())))


def is_finite(forecast: GenreForecast) -> bool:
    numbers = [n for step in forecast.horizon for n in (step.mean, *step.quantiles.values())]
    return bool(np.isfinite(numbers).all())
