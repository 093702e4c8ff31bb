"""The hub of a run: one budget, one limiter a server, one writer and one progress for all processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurogloss.errors import NeuroglossError
from neurogloss.interfaces.executor import Hub
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.pipeline.budget import Budget, BudgetLimits, Charge
from neurogloss.pipeline.limits import Clock, Endpoint, Limiter, Limits, Turn
from neurogloss.pipeline.replay import LedgerFile

News = tuple[str, tuple[Any, ...]]
"""A method of `Progress`, and its arguments."""


class ProgressHub(Hub):
    """Makes one progress of that of many parts: a stage is begun once, and never beyond its total.

    Args:
        begun: Stages that whoever began the work begins and finishes, with their totals.
    """

    def __init__(self, begun: Mapping[str, int] | None = None) -> None:
        self._left: dict[str, float] = dict(begun or {})
        self._begun_here: list[str] = []
        self._news: list[News] = []
        self._n_forgotten = 0
        self._lost: set[str] = set()

    async def open(self) -> None:
        self._changed = asyncio.Event()

    async def answer(self, part: str, verb: str, *values: Any) -> Any:
        if part in self._lost:
            raise _given_up(part)
        found = getattr(self, f"on_{verb}")(part, *values)
        return await found if asyncio.iscoroutine(found) else found

    def on_progress(self, part: str, told: str, *values: Any) -> None:
        """A part has told its progress something."""
        if told == "start":
            stage, total = values[:2]
            if stage in self._left:
                return
            self._left[stage] = float("inf") if total is None else total
            self._begun_here.append(stage)
        elif told == "advance":
            stage, steps = values
            # What a part had done when it died is done, and told, again.
            steps = min(steps, self._left.get(stage, 0))
            if not steps:
                return
            self._left[stage] -= steps
            values = (stage, steps)
        elif told == "finish":
            return
        self._news.append((told, values))
        self._changed.set()

    async def lost(self, part: str) -> None:
        self._lost.add(part)

    async def news(self, n_heard: int) -> Sequence[News]:
        while not self._unheard(n_heard):
            self._changed.clear()
            await self._changed.wait()
        return self._news

    async def close(self, n_heard: int) -> Sequence[News]:
        return [*self._unheard(n_heard), *(("finish", (stage,)) for stage in self._begun_here)]

    def _unheard(self, n_heard: int) -> list[News]:
        """What is left when what was heard is forgotten; an answer that nobody took was not heard."""
        self._news = self._news[max(0, n_heard - self._n_forgotten) :]
        self._n_forgotten = max(self._n_forgotten, n_heard)
        return self._news


@dataclass(frozen=True)
class HubConfig:
    """What the hub of a run is made from: plain data."""

    limits: Limits
    budget: BudgetLimits
    spent: Charge
    """By earlier starts of the run."""
    store: Callable[[], ResultStore] | None
    """Builds the store that the hub writes for all; none where each part reaches it by itself."""
    file: Path | None
    """The ledger file that is recorded, if one is."""


@dataclass
class _Reservation:
    spent: Charge
    """Of a part that died, nobody knows what it spent: then, what it had reserved."""


class RunHub(ProgressHub):
    """Keeps the limits of a run for all its parts.

    What a part holds (a turn, a reservation, a request that nobody else may ask meanwhile) it holds
    under a number of its own, until it gives it back or is lost.
    """

    def __init__(self, config: HubConfig) -> None:
        super().__init__()
        self._config = config

    async def open(self) -> None:
        await super().open()
        config = self._config
        self._budget = Budget(config.budget, config.spent)
        self._limiters: dict[Endpoint, Limiter] = {}
        self._asked: dict[str, asyncio.Lock] = {}
        self._askers: Counter[str] = Counter()
        self._entering: dict[tuple[str, int], asyncio.Task[Any]] = {}
        self._held: dict[tuple[str, int], tuple[AbstractAsyncContextManager[Any], Any]] = {}
        self._store = config.store() if config.store else None
        self._file = LedgerFile(config.file) if config.file else None

    async def lost(self, part: str) -> None:
        await super().lost(part)
        for keys in (self._entering, self._held):
            for owner, number in [key for key in keys if key[0] == part]:
                await self.on_leave(owner, number)

    async def close(self, n_heard: int) -> Sequence[News]:
        if self._store is not None:
            self._store.close()
        return await super().close(n_heard)

    def on_store(self, part: str, method: str, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Calls a method of the store."""
        return getattr(self._store, method)(*values, **named)

    def on_file(self, part: str, method: str, *values: Any) -> Any:
        """Calls a method of the ledger file."""
        return getattr(self._file, method)(*values)

    async def on_turn(self, part: str, number: int, endpoint: Endpoint, tokens: int) -> None:
        """Waits for a turn at a server."""
        if endpoint not in self._limiters:
            self._limiters[endpoint] = Limiter(self._config.limits, Clock())
        await self._enter(part, number, _with(self._limiters[endpoint], self._limiters[endpoint].turn(tokens)))

    async def on_turn_over(self, part: str, number: int, outcome: int | Exception | None) -> None:
        """A turn has ended.

        Args:
            part: Whose.
            number: Which.
            outcome: The tokens it used, or what it raised; none if it was broken off.
        """
        if (part, number) in self._held:
            limiter, turn = self._held[part, number][1]
            if isinstance(outcome, Exception):
                limiter.failed(turn, outcome)
            elif outcome is not None:
                limiter.succeeded(turn, outcome)
        await self.on_leave(part, number)

    async def on_reserve(self, part: str, number: int, most: Charge) -> None:
        """Waits until the budget has so much left, and reserves it."""
        await self._enter(part, number, self._reserved(most))

    async def on_settle(self, part: str, number: int, spent: Charge) -> None:
        """What was reserved has come to this."""
        if (part, number) in self._held:
            self._held[part, number][1].spent = spent
        await self.on_leave(part, number)

    async def on_alone(self, part: str, number: int, key: str) -> None:
        """Waits until no other part asks this request."""
        await self._enter(part, number, self._alone(key))

    async def on_leave(self, part: str, number: int) -> None:
        """Gives back what is held under a number, or no longer waits for it."""
        if (part, number) in self._entering:
            self._entering.pop((part, number)).cancel()
        elif (part, number) in self._held:
            await self._held.pop((part, number))[0].__aexit__(None, None, None)

    async def _enter(self, part: str, number: int, context: AbstractAsyncContextManager[Any]) -> None:
        entering = asyncio.ensure_future(context.__aenter__())
        self._entering[part, number] = entering
        await asyncio.wait([entering])
        wanted = self._entering.pop((part, number), None)
        if entering.cancelled():
            raise _given_up(part)
        value = entering.result()
        self._held[part, number] = (context, value)
        if not wanted:
            await self.on_leave(part, number)
            raise _given_up(part)

    @asynccontextmanager
    async def _reserved(self, most: Charge) -> AsyncIterator[_Reservation]:
        await self._budget.reserve(most)
        reservation = _Reservation(most)
        try:
            yield reservation
        finally:
            self._budget.settle(most, reservation.spent)

    @asynccontextmanager
    async def _alone(self, key: str) -> AsyncIterator[None]:
        self._askers[key] += 1
        try:
            async with self._asked.setdefault(key, asyncio.Lock()):
                yield
        finally:
            self._askers[key] -= 1
            if not self._askers[key]:
                del self._askers[key], self._asked[key]


def _given_up(part: str) -> NeuroglossError:
    return NeuroglossError(f"The part {part} was given up.")


@asynccontextmanager
async def _with(limiter: Limiter, turn: AbstractAsyncContextManager[Turn]) -> AsyncIterator[tuple[Limiter, Turn]]:
    async with turn as taken:
        yield limiter, taken
