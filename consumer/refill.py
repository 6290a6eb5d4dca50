"""`rebuild --since` with tastes: what the log still has of them, added beside the consumers.

Consumers count from where the state is restored to. What lies before goes into strands of its own,
whose offsets this process moves; as sums commute, both may work at once.
"""

from collections.abc import Mapping
from typing import Final

from consumer.broker.topic_log import OnProgress, TopicLog
from consumer.dead_letters.ledger import read_ledger
from consumer.recount import aggregate_log, without_replayed
from consumer.tasting import Tasting
from contracts.settings import Settings
from state.taste_store import TasteStore

REFILL: Final = "refill:"
"""Before a partition in the name of the strand that holds what was read again."""


def begin_tastes(
    tastes: TasteStore, begins: Mapping[int, int], replay_from: Mapping[int, int]
) -> None:
    """Drop all tastes; consumers add from `replay_from` on, `refill_tastes` what is before.

    Args:
        tastes: The store.
        begins: Per partition the first offset that counts.
        replay_from: Per partition where consumers begin.
    """
    offsets = {str(p): max(begins[p], offset) for p, offset in replay_from.items()}
    earlier = {p: begin for p, begin in begins.items() if begin < replay_from.get(p, 0)}
    tastes.begin(offsets | {f"{REFILL}{p}": begin for p, begin in earlier.items()})


def refill_tastes(
    settings: Settings,
    tastes: TasteStore,
    clicks: TopicLog,
    span: tuple[Mapping[int, int], Mapping[int, int]],
    on_progress: OnProgress,
) -> int:
    """Add the events between offsets; return how many there were.

    The strands go as a whole once nobody in them can have clicked for `taste_ttl_days`.

    Raises:
        BrokerUnavailableError, BrokerRefusedError, StoreError: A service can't be had.
    """
    begins, ends = span
    earlier = {p: begin for p, begin in begins.items() if begin < ends.get(p, 0)}
    tasting = Tasting(settings, tastes, prefix=REFILL, lives_ms=settings.taste_ttl_ms)
    for partition, begin in earlier.items():
        tasting.begin(partition, begin)
    replayed = read_ledger(settings).of(settings.topic_clicks)
    stops = {p: ends[p] if p in earlier else 0 for p in begins}
    stretches = clicks.read(begins, on_progress, stops)
    events = 0
    for partition, aggregate in aggregate_log(without_replayed(stretches, replayed), settings, {}):
        if partition in earlier:
            tasting.take(aggregate)
            tasting.flush_due()
            events += len(aggregate.every)
    tasting.flush()
    return events
