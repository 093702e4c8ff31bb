"""What runs in the processes of a cluster."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayActorError

from neurogloss.interfaces.executor import Hub, Line, Reduction, Work
from neurogloss_ray.faults import of_the_hub
from neurogloss_ray.outcomes import Raised, raised, result_of

Tree = tuple[int, int]
"""The shards, from the first up to the second, that a state is of."""


class HubActor:
    """Holds a hub.

    Ray lets the calls of an asynchronous actor overtake each other. So each call of a part has a number,
    and waits for those before it.
    """

    def __init__(self, hub: Hub, folder: str) -> None:
        _enter(folder)
        self._hub = hub
        self._next: Counter[str] = Counter()
        self._early: dict[tuple[str, int], asyncio.Future[None]] = {}

    async def open(self) -> Raised | None:
        """Opens it; returns what that raises."""
        try:
            await self._hub.open()
        except Exception as error:
            return raised(error)
        return None

    async def answer(self, part: str, number: int, verb: str, *values: Any) -> Any:
        """See `Hub`; what it raises is returned."""
        await self.reached(part, number)
        try:
            return await self._hub.answer(part, verb, *values)
        except Exception as error:
            return raised(error)

    async def reached(self, part: str, number: int) -> None:
        """Returns when a part's earlier calls have begun to be answered."""
        if number != self._next[part]:
            self._early[part, number] = asyncio.get_running_loop().create_future()
            await self._early.pop((part, number))
        self._next[part] += 1
        if (following := self._early.get((part, number + 1))) is not None:
            following.set_result(None)

    async def lost(self, part: str) -> None:
        """See `Hub`."""
        await self._hub.lost(part)

    async def news(self, n_heard: int) -> Sequence[Any]:
        """See `Hub`."""
        return await self._hub.news(n_heard)

    async def close(self, n_heard: int) -> Sequence[Any]:
        """See `Hub`."""
        return await self._hub.close(n_heard)


class ActorLine(Line):
    """A line to a `HubActor`."""

    def __init__(self, hub: Any, part: str) -> None:
        self._hub = hub
        self._part = part
        self._n_calls = 0

    async def ask(self, verb: str, *values: Any) -> Any:
        with of_the_hub():
            return result_of(await self._call(self._hub.answer, verb, *values))

    def ask_now(self, verb: str, *values: Any) -> Any:
        with of_the_hub():
            return result_of(ray.get(self._call(self._hub.answer, verb, *values)))

    def tell(self, verb: str, *values: Any) -> None:
        self._call(self._hub.answer, verb, *values)

    def arrived(self) -> Any:
        """A reference to wait for until all that was told has arrived."""
        return self._call(self._hub.reached)

    def _call(self, method: Any, *values: Any) -> Any:
        called = method.remote(self._part, self._n_calls, *values)
        self._n_calls += 1
        return called


class WorkActor:
    """Holds a part of a work and does items of it, several at a time."""

    def __init__(self, folder: str) -> None:
        _enter(folder)
        # The store is asked from within the loop, as a local one is.
        os.environ["RAY_WARN_BLOCKING_GET_INSIDE_ASYNC"] = "0"
        self._line: ActorLine | None = None
        self._opened = asyncio.Event()
        self._closing = False
        self._doing: set[asyncio.Task[Any]] = set()

    async def ready(self) -> None:
        """Returns when the process is there."""

    async def open(self, work: Work, hub: Any, part: str) -> Raised | None:
        """Opens the part; returns what that raises."""
        self._work = work
        if hub is not None:
            self._line = ActorLine(hub, part)
            work.join(self._line)
        try:
            await work.open()
        except Exception as error:
            return raised(error)
        finally:
            self._opened.set()
        return None

    async def do(self, item: Any) -> Any:
        """The item's result, or what doing it raises."""
        if self._closing:
            return None
        doing = asyncio.ensure_future(self._work.do(item))
        self._doing.add(doing)
        try:
            return await doing
        except Exception as error:
            return raised(error)
        finally:
            self._doing.discard(doing)

    async def close(self) -> Raised | None:
        """Ends what is in work and closes the part, once it is open; returns what that raises."""
        self._closing = True
        for doing in self._doing:
            doing.cancel()
        await asyncio.gather(*self._doing, return_exceptions=True)
        await self._opened.wait()
        try:
            await self._work.close()
            if self._line is not None:
                await self._line.arrived()
        except Exception as error:
            return raised(error)
        return None


class ReductionActor:
    """Holds a part of a reduction, and the states that it has made so far.

    A state stays in the process that made it, so that a process that dies takes no more with it than
    the shards that it has done.
    """

    def __init__(self, folder: str) -> None:
        _enter(folder)
        self._line: ActorLine | None = None
        self._states: dict[Tree, Any] = {}

    def open(self, work: Reduction, hub: Any, part: str) -> Raised | None:
        """Opens the part; returns what that raises."""
        self._work = work
        if hub is not None:
            self._line = ActorLine(hub, part)
            work.join(self._line)
        try:
            work.open()
        except Exception as error:
            return raised(error)
        return None

    def reduce(self, tree: Tree, shard: Any) -> Raised | None:
        """Makes and keeps the state of one shard; returns what that raises."""
        try:
            self._states[tree] = self._work.reduce(shard)
            if self._line is not None:
                ray.get(self._line.arrived())
        except Exception as error:
            return raised(error)
        return None

    def merge(self, left: Tree, right: Tree, holder: Any) -> bool | Raised:
        """Makes the state of two out of one that is kept here and one that another holds.

        Returns:
            Whether the other was there; or what merging raises.
        """
        try:
            packed = self._states.pop(right) if holder is None else ray.get(holder.give.remote(right))
        except RayActorError:
            return False
        try:
            packed = self._work.pack(packed) if holder is None else result_of(packed)
            self._states[left[0], right[1]] = self._work.merge(self._states.pop(left), packed)
        except Exception as error:
            return raised(error)
        return True

    def give(self, tree: Tree) -> Any:
        """A state, packed; it stays here as well."""
        try:
            return self._work.pack(self._states[tree])
        except Exception as error:
            return raised(error)

    def drop(self, tree: Tree) -> None:
        """Frees a state that is merged."""
        self._states.pop(tree, None)

    def close(self) -> Raised | None:
        """Closes the part; returns what that raises."""
        try:
            self._work.close()
        except Exception as error:
            return raised(error)
        return None


def _enter(folder: str) -> None:
    """Relative paths mean what they mean where the run was begun; a machine without that folder may need none."""
    with suppress(OSError):
        os.chdir(folder)
