"""Dead letters that the contract takes now, sent to `clicks` again: each one once, for good.

A transaction holds some letters' records and, on the ledger, what names them. The transactional id
is fixed, so a second replay fences the first one; it reads the ledger only after that, when all
that the first one had begun is committed or aborted.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from consumer.broker.topics import Topics
from consumer.broker.transactions import Outgoing, Transactions
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
    partition_count = _prepare_topics(settings, is_real=is_real)
    with _writing(settings, is_real=is_real) as write:
        outlook = _open_outlook(settings, partition_count, progress)
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


def _prepare_topics(settings: Settings, *, is_real: bool) -> int:
    """Make the ledger, if it is needed and missing; return how many partitions `clicks` has."""
    topics = Topics(settings)
    try:
        count = topics.partition_count(settings.topic_clicks)
        if not count:
            raise TopicMissingError(f"topic {settings.topic_clicks} is missing")
        if is_real:
            topics.make_ledger()
    finally:
        topics.close()
    return count


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


def _open_outlook(settings: Settings, partition_count: int, progress: Progress) -> Outlook:
    replayed = read_ledger(settings, progress(settings.topic_replayed))
    store = RedisStore.connect(settings)
    try:
        stands = store.read_progress()
        seen = {}
        if settings.dedup:
            seen = {p: Seen(store.read_event_ids(p)[1]) for p in range(partition_count)}
    finally:
        store.close()
    return Outlook(settings, stands, replayed, partition_count, seen)
