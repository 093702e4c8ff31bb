"""Shards spread over workers, and their states merged as a tree."""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayActorError

from neurogloss.interfaces.executor import Reduction
from neurogloss_ray.actors import HubActor, ReductionActor, Tree
from neurogloss_ray.cluster import Cluster
from neurogloss_ray.configs import RayConfig
from neurogloss_ray.faults import died_too_often, none_began, of_the_hub, tell_death, unusable
from neurogloss_ray.outcomes import result_of

_THREADS = 4
"""Of a worker: it hands out states while it makes one."""


def reduced(cluster: Cluster, config: RayConfig, work: Reduction) -> Any:
    """The packed state of all shards.

    Neighbours are merged in pairs, so that what is merged with what does not depend on who is fast.
    """
    crew = _Crew(cluster, config, work)
    try:
        return crew.reduced()
    finally:
        crew.end()


@dataclass(eq=False)
class _Worker:
    name: str
    actor: Any
    holds: set[Tree] = field(default_factory=set)
    at: Any = None
    """What it does now."""


@dataclass(frozen=True)
class _Job:
    """Something a worker does: opening (no tree), a shard, or a merger of two states."""

    worker: _Worker
    tree: Tree | None = None
    other: _Worker | None = None
    """Who holds the second state of a merger."""
    split: int = 0
    """Where the second state begins; 0 for a shard."""


class _Crew:
    """The workers of one reduction, and what is to be done next."""

    def __init__(self, cluster: Cluster, config: RayConfig, work: Reduction) -> None:
        self._cluster = cluster
        self._config = config
        self._work = work
        self._running: dict[Any, _Job] = {}
        self._workers: list[_Worker] = []
        self._deaths: Counter[Tree | None] = Counter()
        self._hub: Any = None
        self._news: Any = None
        self._n_heard = 0

    def reduced(self) -> Any:
        """The packed state of all shards."""
        n_workers = self._cluster.n_workers()
        self._shards = self._work.shards(n_workers * self._config.shards_per_worker)
        hub = self._work.hub()
        if hub is not None:
            self._hub = self._cluster.hub(HubActor, hub, os.getcwd())
            result_of(ray.get(self._hub.open.remote()))
            self._news = self._hub.news.remote(0)
        for _ in range(min(n_workers, len(self._shards))):
            self._begin_worker()
        whole = (0, len(self._shards))
        begun, opened = time.monotonic(), False
        while True:
            if (holder := self._holder(whole)) is not None:
                try:
                    return result_of(ray.get(holder.actor.give.remote(whole)))
                except RayActorError as error:
                    self._lost(holder, whole, error)
            self._assign(whole)
            left = None if opened else max(0.0, begun + self._config.patience_s - time.monotonic())
            done = self._wait(left)
            if not opened and not done:
                raise none_began(self._config)
            for ref in done:
                opened = self._finish(ref) or opened

    def end(self) -> None:
        """Closes the parts and the hub."""
        closing = [worker.actor.close.remote() for worker in self._workers if worker.at is None]
        for ref in closing:
            with suppress(RayActorError):
                result_of(ray.get(ref))
        for worker in self._workers:
            self._cluster.end(worker.actor)
        if self._hub is not None:
            with suppress(RayActorError):
                self._hear(ray.get(self._hub.close.remote(self._n_heard)))
            self._cluster.end(self._hub)

    def _begin_worker(self) -> None:
        name = uuid.uuid4().hex[:12]
        worker = _Worker(name, self._cluster.worker(ReductionActor, _THREADS))
        self._workers.append(worker)
        self._run(_Job(worker), worker.actor.open.remote(self._work, self._hub, name))

    def _run(self, job: _Job, ref: Any) -> None:
        job.worker.at = job
        self._running[ref] = job

    def _wait(self, patience: float | None) -> Sequence[Any]:
        """What is finished, news aside; nothing when it takes too long."""
        while True:
            refs = [*self._running, *([self._news] if self._news is not None else [])]
            done, _ = ray.wait(refs, timeout=patience)
            if self._news in done:
                with of_the_hub():
                    news = ray.get(self._news)
                self._hear(news)
                self._news = self._hub.news.remote(self._n_heard)
            finished = [ref for ref in done if ref in self._running]
            if finished or not done:
                return finished

    def _finish(self, ref: Any) -> bool:
        """Takes in that something is finished; tells whether its worker lives."""
        job = self._running.pop(ref)
        job.worker.at = None
        try:
            with unusable():
                outcome = result_of(ray.get(ref))
        except RayActorError as error:
            self._lost(job.worker, job.tree, error)
            return False
        if job.tree is None:
            return True
        if not job.split:
            job.worker.holds.add(job.tree)
        elif outcome:
            parts = (job.tree[0], job.split), (job.split, job.tree[1])
            job.worker.holds.discard(parts[0])
            job.worker.holds.add(job.tree)
            other = job.other or job.worker
            other.holds.discard(parts[1])
            other.actor.drop.remote(parts[1])
        elif job.other in self._workers:
            self._lost(job.other, job.tree, None)
        return True

    def _lost(self, worker: _Worker, tree: Tree | None, error: RayActorError | None) -> None:
        """A worker has died, with all it held; another takes its place."""
        if worker not in self._workers:
            return
        self._deaths[tree] += 1
        if error is not None and self._deaths[tree] >= self._config.attempts:
            where = "before it could begin" if tree is None else f"at shards {tree[0]} to {tree[1]}"
            raise died_too_often(where, error, self._deaths[tree])
        tell_death(error)
        self._workers.remove(worker)
        self._running = {ref: job for ref, job in self._running.items() if job.worker is not worker}
        self._cluster.end(worker.actor)
        if self._hub is not None:
            self._hub.lost.remote(worker.name)
        self._begin_worker()

    def _assign(self, whole: Tree) -> None:
        """Gives every worker that waits something to do, if there is something."""
        for job in list(self._jobs(whole)):
            tree, split = job
            if split:
                left, right = self._holder((tree[0], split)), self._holder((split, tree[1]))
                assert left is not None
                assert right is not None
                if left.at is None:
                    other = None if right is left else right
                    ref = left.actor.merge.remote((tree[0], split), (split, tree[1]), other and other.actor)
                    self._run(_Job(left, tree, other, split), ref)
            elif free := next((worker for worker in self._workers if worker.at is None), None):
                self._run(_Job(free, tree), free.actor.reduce.remote(tree, self._shards[tree[0]]))

    def _jobs(self, tree: Tree) -> Iterator[tuple[Tree, int]]:
        """What is missing below a state and can be begun: mergers, with where their second state begins, and shards."""
        if self._holder(tree) is not None or any(job.tree == tree for job in self._running.values()):
            return
        if tree[1] - tree[0] == 1:
            yield tree, 0
            return
        split = sum(tree) // 2
        parts = (tree[0], split), (split, tree[1])
        if all(self._holder(part) is not None for part in parts):
            yield tree, split
        else:
            for part in parts:
                yield from self._jobs(part)

    def _holder(self, tree: Tree) -> _Worker | None:
        return next((worker for worker in self._workers if tree in worker.holds), None)

    def _hear(self, news: Sequence[Any]) -> None:
        self._n_heard += len(news)
        for each in news:
            self._work.hear(each)
