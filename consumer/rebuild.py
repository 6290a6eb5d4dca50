"""`rebuild`: Redis put back by hand from the journal, or set to where a first start begins."""

from dataclasses import dataclass

from consumer.broker.journal import Journal
from consumer.broker.topic_log import OnProgress, TopicLog
from consumer.refill import begin_tastes, refill_tastes
from consumer.restoring import restore_store
from contracts.settings import Settings
from state.store import Batch, Store
from state.taste_store import TasteStore


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What Redis holds now.

    Attributes:
        buckets: Published buckets in the window; `published_ms`: start of the last one.
        genres: Genres known.
        to_read: Records that consumers read (again) from here.
        tasted: Events before that which tastes were refilled with.
    """

    buckets: int
    published_ms: int | None
    genres: int
    to_read: int
    tasted: int = 0


def rebuild(
    settings: Settings,
    store: Store,
    since_ms: int | None,
    on_progress: OnProgress,
    tastes: TasteStore | None = None,
) -> Rebuilt:
    """Empty the deployment's state and make it anew from the journal.

    Consumers may run meanwhile: they notice, and go on from what is there. Without a journal,
    counting begins at the log's beginning, or at the first record from `since_ms` on. Tastes begin
    anew where reading does; with `since_ms` the log before that, from there on, is added to them.

    Args:
        settings: The deployment.
        store: Its state.
        since_ms: Take no bucket into the window that begins before, epoch ms.
        on_progress: Told how much of the journal is read, then of the log for tastes.
        tastes: The store of tastes, where they are on.

    Raises:
        BrokerUnavailableError, BrokerRefusedError, StoreError: A service can't be had.
        InvariantError: The journal is not one of this deployment.
    """
    journal = Journal(settings)
    with TopicLog(settings, settings.topic_clicks, by_batch=True) as clicks:
        records = journal.read_back(settings.window_buckets, on_progress)
        begins = dict(clicks.begins)
        store.wipe()
        if records:
            kept = [r for r in records if since_ms is None or r.bucket_start >= since_ms]
            buckets = restore_store(store, records[-1], kept)
            begins |= {p: point.offset for p, point in records[-1].replay_from.items()}
            genres = len(records[-1].counts)
        else:
            buckets, genres = 0, 0
            begins |= {} if since_ms is None else clicks.offsets_at(since_ms)
            store.open()
            for partition, offset in begins.items():
                if offset:
                    store.apply(Batch(partition, expected_offset=0, next_offset=offset))
        tasted = 0
        if tastes is not None:
            since = begins if since_ms is None else clicks.offsets_at(since_ms)
            earlier = {p: max(clicks.begins[p], at) for p, at in since.items()}
            begin_tastes(tastes, earlier, begins)
            tasted = refill_tastes(settings, tastes, clicks, (earlier, begins), on_progress)
        to_read = sum(max(0, end - begins[p]) for p, end in clicks.ends.items())
    return Rebuilt(buckets, records[-1].bucket_start if records else None, genres, to_read, tasted)
