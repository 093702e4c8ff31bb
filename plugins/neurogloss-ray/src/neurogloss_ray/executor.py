"""The executor `ray`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from neurogloss.interfaces.executor import Executor, Reducing, Reduction, Work
from neurogloss_ray.cluster import Cluster
from neurogloss_ray.configs import RayConfig
from neurogloss_ray.mapping import mapped
from neurogloss_ray.reducing import reduced


class RayExecutor(Executor, Reducing):
    """Spreads work over the processes of a Ray cluster.

    The cluster is connected to, or begun, with the first work, and left with `close`. In each worker a
    part of the work is opened once. A worker that dies, with its machine or alone, is replaced, and what
    it was at is done again; an item over which `attempts` workers died ends the work.
    """

    def __init__(self, config: RayConfig) -> None:
        self._config = config
        self._cluster = Cluster(config)

    async def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        self._cluster.connect()
        async with aclosing(mapped(self._cluster, self._config, work, items)) as pairs:
            async for pair in pairs:
                yield pair

    def reduce(self, work: Reduction) -> Any:
        self._cluster.connect()
        return reduced(self._cluster, self._config, work)

    def close(self) -> None:
        self._cluster.disconnect()
