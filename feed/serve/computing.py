"""Answers that take computing: on threads, and once per bucket for all who ask the same."""

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

THREADS: Final = 2
"""The event loop goes on sending meanwhile; more would only wait for one another."""

MOST_BYTES: Final = 32_000_000
"""Answers kept for those who ask the same, bytes."""

Question = Hashable
Answer = asyncio.Future[bytes]


@dataclass(slots=True)
class Answers:
    """Answers as bytes, of the newest bucket; touched by the event loop's thread alone.

    Attributes:
        under_way: Questions whose answers are being computed or wait for a thread, those of earlier
            buckets among them.
    """

    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="answers")
    )
    _kept: dict[Question, Answer] = field(default_factory=dict)
    _nbytes: int = 0
    under_way: int = 0

    async def give(self, question: Question, compute: Callable[[], bytes]) -> bytes:
        """Return the answer to a question; whoever asks it meanwhile gets the same one."""
        answer = self._kept.get(question)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = self._kept[question] = loop.run_in_executor(self._pool, compute)
            self.under_way += 1
            answer.add_done_callback(lambda done: self._count(question, done))
        # One who leaves must not take the answer from the others.
        return await asyncio.shield(answer)

    def is_kept(self, question: Question) -> bool:
        """Say whether a question is answered, or about to be."""
        return question in self._kept

    def _count(self, question: Question, answer: Answer) -> None:
        self.under_way -= 1
        if self._kept.get(question) is not answer:
            return
        if answer.cancelled() or answer.exception() is not None:
            del self._kept[question]
            return
        self._nbytes += len(answer.result())
        if self._nbytes > MOST_BYTES:
            self.forget()

    def forget(self) -> None:
        """Another bucket has come: what was said is old."""
        self._kept.clear()
        self._nbytes = 0

    def close(self) -> None:
        """Compute nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
