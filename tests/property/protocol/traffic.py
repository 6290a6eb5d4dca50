"""What producers write: clicks in and out of order, late, ahead of time, and what is no click."""

import random
from dataclasses import replace
from typing import Final

import orjson

from contracts.events import IMPRESSION
from contracts.settings import Settings
from tests.property.protocol.broker import Broker, LogRecord
from tests.property.protocol.schedule import MAX_PARTITIONS, RATES, Schedule, Traffic

SLOW_SECONDS: Final = 400
"""How far a slow device's clock is behind, seconds: further than a partition may drift."""

BACKFILL_SECONDS: Final = 6_000
"""How old the events of a backfill are, seconds: not live by far."""

BATCH_SECONDS: Final = 40
"""Length of a backfill's batches and of the pauses between, seconds: longer than idle_timeout."""

IN_ORDER_SECONDS: Final = 15
"""How late after its event time a record may arrive and still count as normal, seconds."""

REPEATED: Final = 0.2
"""Share of events that are sent twice, where repeated ones count once."""

SHOWN: Final = 0.1
"""Share of events that are impressions."""

MALFORMED: Final = (None, b"", b"{", b"[]", b'{"event_time": 5}', b"\xff\xfe")
"""Values that are no click events."""


class Producers:
    """Everyone who writes to `clicks`."""

    def __init__(self, schedule: Schedule, settings: Settings) -> None:
        self._random = random.Random(f"{schedule.seed} traffic")
        self._shown = random.Random(f"{schedule.seed} impressions")
        self._schedule = schedule
        self._skew_ms = settings.max_future_skew_ms
        self._ooo_ms = settings.max_out_of_orderness_ms
        self._backfill_at_seconds = -BACKFILL_SECONDS
        added = Traffic(0.5, 0, "live")
        self.traffic = [*schedule.traffic, *[added] * MAX_PARTITIONS][:MAX_PARTITIONS]
        self.is_quiet = False
        self._sent: list[tuple[int, int, int, bytes | None]] = []
        self._furthest_ms = [-(2**62)] * MAX_PARTITIONS
        self._count = 0

    @property
    def has_sent_all(self) -> bool:
        return not self._sent

    def change_rate(self, p: int, size: int) -> None:
        """Let a partition get more or less."""
        self.traffic[p] = replace(self.traffic[p], rate=RATES[size % len(RATES)])

    def produce(self, broker: Broker, now_ms: int) -> None:
        """Let a second pass: write some, and bring in what has arrived."""
        is_pause = self._schedule.is_backfill and (now_ms // 1000 // BATCH_SECONDS) % 2
        for p in range(len(broker.partitions)):
            if not self.is_quiet and not is_pause and self._random.random() < self.traffic[p].rate:
                self._send(p, now_ms)
        sent, self._sent = self._sent, []
        for arrives_ms, p, event_ms, value in sent:
            if arrives_ms > now_ms or broker.partitions[p].away_since_ms is not None:
                self._sent.append((arrives_ms, p, event_ms, value))
            else:
                self._append(broker, p, now_ms, event_ms, value)

    def _send(self, p: int, now_ms: int) -> None:
        traffic, chance = self.traffic[p], self._random
        delay_ms = traffic.delay_seconds * 1000 if chance.random() < 0.3 else 0
        event_ms = self._event_time(traffic, now_ms)
        value: bytes | None
        if chance.random() < 0.02:
            value, event_ms = chance.choice(MALFORMED), 0
        else:
            self._count += 1
            genres = sorted({chance.choice("abc") for _ in range(chance.choice((1, 1, 2)))})
            value = orjson.dumps(
                {
                    "event_id": str(self._count),
                    "event_time": event_ms,
                    "user_id": "u",
                    "show_id": "s",
                    "genres": genres,
                    "action": IMPRESSION if self._shown.random() < SHOWN else "click",
                }
            )
        self._sent.append((now_ms + delay_ms, p, event_ms, value))
        if self._schedule.dedup and chance.random() < REPEATED:
            again_ms = delay_ms + chance.choice((0, 1000, 5000))
            self._sent.append((now_ms + again_ms, p, event_ms, value))

    def _event_time(self, traffic: Traffic, now_ms: int) -> int:
        chance = self._random
        if traffic.kind == "dead":
            return now_ms + self._skew_ms + 30_000
        if traffic.kind == "slow":
            return now_ms - SLOW_SECONDS * 1000 - chance.randint(0, 2) * 1000
        event_ms = (
            now_ms - chance.randint(0, self._ooo_ms // 1000) * 1000 - chance.choice((0, 0, 1))
        )
        which = chance.random()
        if self._schedule.is_backfill:
            self._backfill_at_seconds += 2 * (chance.random() < 0.1)
            event_ms += self._backfill_at_seconds * 1000
        elif 0.05 <= which < 0.08:
            return now_ms + self._skew_ms + chance.choice((1, 1000, 12_000))
        elif 0.08 <= which < 0.11:
            return now_ms + self._skew_ms - chance.choice((0, 1, 1000))
        if which < 0.05:
            event_ms -= chance.choice((8, 15, 30)) * 1000
        return event_ms

    def _append(
        self, broker: Broker, p: int, now_ms: int, event_ms: int, value: bytes | None
    ) -> None:
        log = broker.partitions[p].log
        self._maybe_control(log, now_ms)
        is_click = bool(event_ms) and event_ms <= now_ms + self._skew_ms
        is_soon = self._schedule.is_backfill or now_ms - event_ms <= IN_ORDER_SECONDS * 1000
        is_in_order = is_soon and event_ms >= self._furthest_ms[p] - self._ooo_ms
        if is_click:
            self._furthest_ms[p] = max(self._furthest_ms[p], min(event_ms, now_ms))
        genres: tuple[str, ...] = ()
        event_id, kind = "", "click" if is_click else "invalid"
        if is_click and value:
            fields = orjson.loads(value)
            genres, event_id = tuple(fields["genres"]), fields["event_id"]
            kind = IMPRESSION if fields["action"] == IMPRESSION else kind
        log.append(
            LogRecord(len(log), now_ms, kind, value, event_ms, genres, event_id, is_in_order)
        )
        self._maybe_control(log, now_ms)

    def _maybe_control(self, log: list[LogRecord], now_ms: int) -> None:
        if self._random.random() < 0.1:
            log.append(LogRecord(len(log), now_ms, "control"))
