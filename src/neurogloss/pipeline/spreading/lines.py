"""What a part of a spread run has in place of a store, a budget and so on of its own: lines to the hub's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from neurogloss.errors import PermanentError, TransientError
from neurogloss.interfaces.executor import Line
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.pipeline.budget import Budget, BudgetLimits, Charge
from neurogloss.pipeline.limits import Endpoint, Pace, Turn
from neurogloss.pipeline.progress import Progress
from neurogloss.pipeline.replay import CallFile
from neurogloss.records.runs import RecordedCall

_NUMBERS = count()
"""What is held at the hub, the part tells apart by numbers."""


class LineProgress(Progress):
    """Tells the hub."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def start(self, stage: str, total: int | None, counted: str) -> None:
        self._line.tell("progress", "start", stage, total, counted)

    def advance(self, stage: str, steps: int = 1) -> None:
        self._line.tell("progress", "advance", stage, steps)

    def finish(self, stage: str) -> None:
        self._line.tell("progress", "finish", stage)

    def note(self, text: str) -> None:
        self._line.tell("progress", "note", text)


def _at_the_hub(method: str) -> Any:
    def ask(store: LineStore, *values: Any, **named: Any) -> Any:
        return store.line.ask_now("store", method, values, named)

    return ask


class LineStore(ResultStore):
    """The hub's store: one writer for all parts."""

    def __init__(self, line: Line) -> None:
        self.line = line

    begin_run = _at_the_hub("begin_run")
    runs = _at_the_hub("runs")
    run = _at_the_hub("run")
    delete_run = _at_the_hub("delete_run")
    add_explanations = _at_the_hub("add_explanations")
    explanations = _at_the_hub("explanations")
    add_scores = _at_the_hub("add_scores")
    scores = _at_the_hub("scores")
    reply = _at_the_hub("reply")
    reject = _at_the_hub("reject")
    add_entry = _at_the_hub("add_entry")
    add_use = _at_the_hub("add_use")
    open_batch = _at_the_hub("open_batch")
    open_batches = _at_the_hub("open_batches")
    close_batch = _at_the_hub("close_batch")
    ledger = _at_the_hub("ledger")
    totals = _at_the_hub("totals")

    def close(self) -> None:
        """The hub closes it."""


class LineFile(CallFile):
    """The hub's ledger file."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def answers(self, key: str) -> bool:
        return bool(self._line.ask_now("file", "answers", key))

    def add(self, call: RecordedCall) -> None:
        self._line.ask_now("file", "add", call)


class LineBudget(Budget):
    """The hub's budget; only that one knows what is spent."""

    def __init__(self, line: Line, limits: BudgetLimits) -> None:
        super().__init__(limits)
        self._line = line
        self._numbers: dict[Charge, list[int]] = {}

    async def reserve(self, most: Charge) -> None:
        if not self.limited:
            return
        number = next(_NUMBERS)
        try:
            await self._line.ask("reserve", number, most)
        except asyncio.CancelledError:
            self._line.tell("settle", number, Charge())
            raise
        self._numbers.setdefault(most, []).append(number)

    def settle(self, most: Charge, spent: Charge) -> None:
        if self.limited:
            self._line.tell("settle", self._numbers[most].pop(), spent)


class LinePace(Pace):
    """The hub's limiter of one server."""

    def __init__(self, line: Line, endpoint: Endpoint) -> None:
        self._line = line
        self._endpoint = endpoint
        self._outcomes: dict[Turn, int | Exception] = {}

    @asynccontextmanager
    async def turn(self, tokens: int) -> AsyncIterator[Turn]:
        number, turn = next(_NUMBERS), Turn(0.0, tokens)
        try:
            await self._line.ask("turn", number, self._endpoint, tokens)
            yield turn
        finally:
            self._line.tell("turn_over", number, self._outcomes.pop(turn, None))

    def succeeded(self, turn: Turn, tokens: int) -> None:
        self._outcomes[turn] = tokens

    def failed(self, turn: Turn, error: Exception) -> None:
        # Another's own exception may not go through a line; all that counts is whether it was a rate limit.
        self._outcomes[turn] = error if isinstance(error, TransientError) else PermanentError("")


@asynccontextmanager
async def alone_at_the_hub(line: Line, key: str) -> AsyncIterator[None]:
    """Within the block no other part asks the request of this key."""
    number = next(_NUMBERS)
    try:
        await line.ask("alone", number, key)
        yield
    finally:
        line.tell("leave", number)
