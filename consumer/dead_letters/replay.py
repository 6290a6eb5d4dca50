"""Dead letters that the contract takes now, sent to `clicks` again: each one once, for good.

A transaction holds some letters' records and, on the ledger, what names them. The transactional id
is fixed, so a second replay fences the first one; it reads the ledger only after that, when all
that the first one had begun is committed or aborted.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from consumer.broker.topics import Topics
from consumer.broker.transactions import MAX_REQUEST_BYTES, Outgoing, Transactions
from consumer.command_parts import Progress
from consumer.dead_letters.ledger import read_ledger
from consumer.dead_letters.outlook import Outlook
from consumer.dead_letters.selection import Selection, select_letters
from consumer.dead_letters.sending import Tally, send_again
from consumer.dedup import Seen
from consumer.errors import TopicMissingError
from contracts.clock import wall_clock_ms
from contracts.settings import Settings
from state.redis_store import RedisStore

log = logging.getLogger(__name__)

Write = Callable[[list[Outgoing]], None]


def replay(
    settings: Settings,
    selection: Selection,
    tally: Tally,
    progress: Progress,
    *,
    is_real: bool,
    limit: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Send the letters that the contract takes now; or, not for real, only tell what would be.

    Args:
        settings: The deployment, with the settings that its consumers have.
        selection: Which letters.
        tally: Told of each letter, of those that are sent once they are.
        progress: Told what is read and how far it is.
        is_real: Whether to send anything.
        limit: Most letters to send; None for all.
        should_stop: Asked before each letter and each transaction.

    Raises:
        BrokerUnavailableError, BrokerRefusedError, StoreError: A service can't be had.
        FencedError: Another replay took over, or a transaction's outcome is unknown; the next run
            knows it.
        InvariantError: The ledger holds something else.
    """
    topic = _prepare_topics(settings, is_real=is_real)
    with _writing(settings, is_real=is_real) as write:
        outlook = _open_outlook(settings, topic, progress)
        letters = select_letters(settings, selection, progress(settings.topic_dead_letter))
        send_again(
            letters,
            outlook,
            tally,
            write=write,
            now_ms=wall_clock_ms,
            limit=limit,
            should_stop=should_stop,
        )


class _Clicks(NamedTuple):
    """The topic that is written to."""

    partition_count: int
    max_record_bytes: int


def _prepare_topics(settings: Settings, *, is_real: bool) -> _Clicks:
    """Make the ledger, if it is needed and missing; return what `clicks` is like."""
    topics = Topics(settings)
    try:
        count = topics.partition_count(settings.topic_clicks)
        if not count:
            raise TopicMissingError(f"topic {settings.topic_clicks} is missing")
        allowed = topics.max_record_bytes(settings.topic_clicks)
        if allowed is None:
            log.warning(
                "Kafka does not say how large a record of %s may be (the right DescribeConfigs): "
                "one that is too large ends the replay", settings.topic_clicks,
            )  # fmt: skip
            allowed = MAX_REQUEST_BYTES
        if is_real:
            topics.make_ledger()
    finally:
        topics.close()
    return _Clicks(count, min(allowed, MAX_REQUEST_BYTES))


@contextmanager
def _writing(settings: Settings, *, is_real: bool) -> Iterator[Write]:
    """Become the one who replays; whoever did before is fenced, what it left open aborted."""
    if not is_real:
        yield lambda _records: None
        return
    # No app has a slash in its name, so the id is nobody else's.
    name = f"genrecast-{settings.app}/replay"
    transactions = Transactions(settings, who="replay", transactional_id=name)
    try:
        yield transactions.write
    finally:
        transactions.close()


def _open_outlook(settings: Settings, clicks: _Clicks, progress: Progress) -> Outlook:
    replayed = read_ledger(settings, progress(settings.topic_replayed))
    store = RedisStore.connect(settings)
    try:
        stands = store.read_progress()
        seen = {}
        if settings.dedup:
            seen = {p: Seen(store.read_event_ids(p)[1]) for p in range(clicks.partition_count)}
    finally:
        store.close()
    return Outlook(
        settings, stands, replayed, clicks.partition_count, seen, clicks.max_record_bytes
    )
