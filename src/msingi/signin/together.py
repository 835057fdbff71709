"""Calls that come at the same time are worked off together: while one batch is at work, the next one gathers.

Nobody waits for a timer: a lone call is a batch of one, and the busier the stack is, the larger batches become.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Together(Generic[K, V]):
    """Gathers calls of one kind. `work` gives one result, or the exception to raise, for each item of a batch."""

    def __init__(self, work: Callable[[list[K]], Awaitable[list[V | Exception]]], most: int = 64) -> None:
        self._work, self._most = work, most
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._running: asyncio.Task[None] | None = None

    async def ask(self, item: K) -> V:
        """The result for `item`. Raises what its work raised."""
        future: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            try:
                results = await self._work([item for item, _ in batch])
            except Exception as failure:  # the whole batch failed: everybody hears it, as if each had asked alone
                results = [failure] * len(batch)
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():  # whoever asked went away
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
