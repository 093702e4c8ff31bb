"""Items spread over workers."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import Counter, deque
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from ray.exceptions import RayActorError

from neurogloss.interfaces.executor import Work
from neurogloss_ray.actors import HubActor, WorkActor
from neurogloss_ray.cluster import Cluster
from neurogloss_ray.configs import RayConfig
from neurogloss_ray.faults import died_too_often, none_began, of_the_hub, tell_death, unusable
from neurogloss_ray.outcomes import result_of


async def mapped(
    cluster: Cluster, config: RayConfig, work: Work, items: Sequence[Any]
) -> AsyncGenerator[tuple[Any, Any], None]:
    """Yields `(item, result)` as items finish; the first exception of one ends the rest and is raised here."""
    if not items:
        return
    crew = _Crew(cluster, config, work, items)
    try:
        await crew.begin()
        for _ in items:
            yield await crew.result()
    finally:
        await crew.end()


class _Crew:
    """The workers of one work, the items they are to do, and the hub between them."""

    def __init__(self, cluster: Cluster, config: RayConfig, work: Work, items: Sequence[Any]) -> None:
        self._cluster = cluster
        self._config = config
        self._work = work
        self._items = items
        self._waiting = deque(range(len(items)))
        self._n_left = len(items)
        self._deaths: Counter[int] = Counter()
        self._results: asyncio.Queue[tuple[Any, Any] | BaseException] = asyncio.Queue()
        self._changed = asyncio.Condition()
        self._began = asyncio.Event()
        self._workers: dict[str, Any] = {}
        self._opening: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._hub: Any = None
        self._n_heard = 0

    async def begin(self) -> None:
        """Opens the hub and begins workers; does not wait for them."""
        n_workers = min(self._cluster.n_workers(), len(self._items))
        concurrency = max(self._config.concurrency, -(-self._work.together // n_workers))
        hub = self._work.hub()
        if hub is not None:
            self._hub = self._cluster.hub(HubActor, hub, os.getcwd())
            result_of(await self._hub.open.remote())
            self._start(self._listen())
        self._start(self._watch())
        for _ in range(n_workers):
            self._start(self._place(concurrency))

    async def result(self) -> tuple[Any, Any]:
        """The next item that is done."""
        outcome = await self._results.get()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def end(self) -> None:
        """Ends what is in work; closes the parts and the hub."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        closing = [self._closed(name, worker) for name, worker in self._workers.items()]
        outcomes = await asyncio.gather(*closing, return_exceptions=True)
        if self._hub is not None:
            with suppress(RayActorError):
                self._hear(await self._hub.close.remote(self._n_heard))
            self._cluster.end(self._hub)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        task.add_done_callback(self._told)
        self._tasks.append(task)

    def _told(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._results.put_nowait(error)

    async def _place(self, concurrency: int) -> None:
        """Keeps one worker at work, and a new one whenever it has died, until all is done."""
        deaths = 0
        while True:
            name = uuid.uuid4().hex[:12]
            worker = self._cluster.worker(WorkActor, max_concurrency=concurrency + 8)
            self._workers[name] = worker
            try:
                with unusable():
                    await worker.ready.remote()
                    self._opening.add(name)
                    result_of(await worker.open.remote(self._work, self._hub, name))
                self._began.set()
                deaths = 0
                await self._feed(worker, concurrency)
                return
            except RayActorError as error:
                del self._workers[name]
                self._cluster.end(worker)
                if self._hub is not None:
                    await self._hub.lost.remote(name)
                deaths += 1
                if deaths >= self._config.attempts:
                    raise died_too_often("before it could begin", error, deaths) from None
                tell_death(error)

    async def _feed(self, worker: Any, concurrency: int) -> None:
        """Hands a worker items as it can take them.

        Raises:
            RayActorError: It has died; what it was at waits for another.
        """
        feeding = [asyncio.create_task(self._hand(worker)) for _ in range(concurrency)]
        try:
            await asyncio.gather(*feeding)
        finally:
            for each in feeding:
                each.cancel()
            await asyncio.gather(*feeding, return_exceptions=True)

    async def _hand(self, worker: Any) -> None:
        while (number := await self._next()) is not None:
            item = self._items[number]
            try:
                with unusable():
                    result = result_of(await worker.do.remote(item))
            except RayActorError as error:
                self._deaths[number] += 1
                if self._deaths[number] >= self._config.attempts:
                    raise died_too_often(f"at {item}", error, self._deaths[number]) from None
                await self._put_back(number)
                raise
            except asyncio.CancelledError:
                await asyncio.shield(self._put_back(number))
                raise
            self._results.put_nowait((item, result))
            async with self._changed:
                self._n_left -= 1
                self._changed.notify_all()

    async def _next(self) -> int | None:
        """The number of an item to do, when there is one; none when all are done."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or not self._n_left)
            return self._waiting.popleft() if self._waiting else None

    async def _put_back(self, number: int) -> None:
        async with self._changed:
            self._waiting.appendleft(number)
            self._changed.notify_all()

    async def _watch(self) -> None:
        """Gives up when no worker begins."""
        try:
            await asyncio.wait_for(self._began.wait(), self._config.patience_s)
        except TimeoutError:
            raise none_began(self._config) from None

    async def _listen(self) -> None:
        while True:
            with of_the_hub():
                news = await self._hub.news.remote(self._n_heard)
            self._hear(news)

    def _hear(self, news: Sequence[Any]) -> None:
        self._n_heard += len(news)
        for each in news:
            self._work.hear(each)

    async def _closed(self, name: str, worker: Any) -> None:
        try:
            if name in self._opening:  # another may wait for its place in the cluster for ever
                result_of(await worker.close.remote())
        except RayActorError:
            return  # what it had done is told, and committed
        finally:
            self._cluster.end(worker)
