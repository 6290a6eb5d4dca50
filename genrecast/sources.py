"""Where training data comes from besides files: the retained topic, the windows in Redis.

Imports are inside the functions: only `train` and `backtest` pay for them.
"""

from typing import TYPE_CHECKING

from contracts.settings import Settings

if TYPE_CHECKING:
    from model.history import History


def history_from_topic(settings: Settings) -> "History":
    """Count the retained `clicks` topic into buckets, without touching any state."""
    from consumer.recount import recount_topic
    from model.history import History

    counted = recount_topic(settings)
    return History(
        names=counted.genres,
        bucket_seconds=settings.bucket_seconds,
        starts_ms=counted.starts_ms,
        cells=counted.cells,
    )


def history_from_redis(settings: Settings) -> "History":
    """Read the closed buckets that Redis keeps."""
    from model.history import History
    from state.redis_store import RedisStore

    windows = RedisStore.connect(settings).read_window()
    return History(
        names=windows.genres,
        bucket_seconds=settings.bucket_seconds,
        starts_ms=windows.starts_ms,
        cells=windows.cells,
    )
