"""Ledgers that share a hub as several processes do: on lines through which only plain data goes."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from neurogloss.errors import BudgetError, NeuroglossError, StoreError
from neurogloss.interfaces.executor import Line
from neurogloss.pipeline.budget import BudgetLimits, Charge
from neurogloss.pipeline.ledger import Ledger
from neurogloss.pipeline.limits import Limits
from neurogloss.pipeline.replay import LedgerFile
from neurogloss.pipeline.spreading.hub import HubConfig, ProgressHub, RunHub
from neurogloss.pipeline.spreading.lines import (
    LineBudget,
    LineFile,
    LinePace,
    LineProgress,
    LineStore,
    alone_at_the_hub,
)
from neurogloss.records.documents import Message
from neurogloss.records.requests import GenerateRequest
from neurogloss.records.runs import LedgerTotals
from neurogloss.store.configs import SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore

RUN = "run"


class LoopLine(Line):
    """Leads to a hub in this process."""

    def __init__(self, hub: ProgressHub, part: str) -> None:
        self._hub = hub
        self._part = part
        self._telling: set[asyncio.Task[Any]] = set()

    async def ask(self, verb: str, *values: Any) -> Any:
        return _sent(await self._hub.answer(self._part, verb, *_sent(values)))

    def ask_now(self, verb: str, *values: Any) -> Any:
        answer = self._hub.answer(self._part, verb, *_sent(values))
        try:
            answer.send(None)
        except StopIteration as done:
            return _sent(done.value)
        raise AssertionError(f"{verb} waits")

    def tell(self, verb: str, *values: Any) -> None:
        async def answer(values: Any) -> None:
            with suppress(NeuroglossError):
                await self._hub.answer(self._part, verb, *values)

        task = asyncio.ensure_future(answer(_sent(values)))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def _sent(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def request(number: int) -> GenerateRequest:
    return GenerateRequest((Message("user", f"What fires this? {number}"),), max_tokens=5)


class Spread:
    """A hub, and ledgers that share it."""

    def __init__(self, hub: RunHub, limits: Limits, budget: BudgetLimits) -> None:
        self.hub = hub
        self._limits = limits
        self._budget = budget

    def ledger(self, part: str) -> Ledger:
        line = LoopLine(self.hub, part)
        return Ledger(
            LineStore(line),
            RUN,
            limits=self._limits,
            budget=LineBudget(line, self._budget),
            pace=partial(LinePace, line),
            alone=partial(alone_at_the_hub, line),
        )

    def totals(self) -> LedgerTotals:
        totals: LedgerTotals = LineStore(LoopLine(self.hub, "the test")).totals(RUN)
        return totals


@pytest.fixture
async def spread_with(tmp_path: Path) -> AsyncIterator[Any]:
    made = []

    async def make(limits: Limits | None = None, budget: BudgetLimits | None = None) -> Spread:
        given = limits or Limits(), budget or BudgetLimits()
        config = HubConfig(*given, Charge(), partial(SqlResultStore, SqliteStoreConfig(str(tmp_path))), tmp_path / "f")
        hub = _sent(RunHub(config))
        made.append(hub)
        await hub.open()
        return Spread(hub, *given)

    yield make
    for hub in made:
        await hub.close(0)


async def _turns_of_the_loop() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_what_one_has_asked_no_other_asks(spread_with: Any, make_model: Any) -> None:
    spread, model = await spread_with(), make_model()
    ledgers = [spread.ledger(name) for name in "abc"]
    replies = await asyncio.gather(*(each.ask("explainer", model, "generate", request(0)) for each in ledgers))
    assert model.calls == 1
    assert {reply.completions[0].text for reply in replies} == {"reply 1"}
    assert (spread.totals().calls, spread.totals().reused) == (1, 1), "a use is counted once for a role"


async def test_calls_of_all_parts_are_limited_together(spread_with: Any, make_model: Any) -> None:
    spread, model = await spread_with(Limits(concurrency=3)), make_model()
    model.gate.clear()
    asking = [
        asyncio.create_task(spread.ledger(name).ask("explainer", model, "generate", request(10 * i + j)))
        for i, name in enumerate("ab")
        for j in range(4)
    ]
    await _turns_of_the_loop()
    assert model.calls == 3
    asking[0].cancel()  # nobody waits for it; the call that was sent goes on
    await _turns_of_the_loop()
    model.gate.set()
    await asyncio.gather(*asking[1:])
    assert model.calls == 8
    assert spread.totals().calls == 8


async def test_the_calls_of_a_part_that_dies_make_room(spread_with: Any, make_model: Any) -> None:
    spread, model = await spread_with(Limits(concurrency=2)), make_model()
    model.gate.clear()
    dying, living = spread.ledger("dying"), spread.ledger("living")
    lost = [asyncio.create_task(dying.ask("explainer", model, "generate", request(i))) for i in range(3)]
    await _turns_of_the_loop()
    others = [asyncio.create_task(living.ask("explainer", model, "generate", request(i))) for i in range(2)]
    await _turns_of_the_loop()
    assert model.calls == 2, "both turns are taken, and both requests are asked"
    await spread.hub.lost("dying")
    await _turns_of_the_loop()
    assert model.calls == 4
    model.gate.set()
    assert len(await asyncio.gather(*others)) == 2
    outcomes = await asyncio.gather(*lost, return_exceptions=True)
    assert all(isinstance(outcome, NeuroglossError) for outcome in outcomes), "who is given up writes nothing any more"
    assert spread.totals().calls == 2


async def test_the_budget_holds_for_all_parts_together(spread_with: Any, make_model: Any) -> None:
    spread, model = await spread_with(budget=BudgetLimits(max_calls=5)), make_model()
    asking = [
        spread.ledger(name).ask("explainer", model, "generate", request(10 * i)) for i, name in enumerate("abcdefg")
    ]
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BudgetError)]
    assert len(refused) == 2
    assert "budget.max_calls=5" in str(refused[0])
    assert model.calls == spread.totals().calls == 5


async def test_what_a_lost_part_had_reserved_counts_as_spent(spread_with: Any, make_model: Any) -> None:
    spread, model = await spread_with(budget=BudgetLimits(max_calls=2)), make_model()
    model.gate.clear()
    asking = asyncio.create_task(spread.ledger("dying").ask("explainer", model, "generate", request(0)))
    await _turns_of_the_loop()
    await spread.hub.lost("dying")
    model.gate.set()
    living = spread.ledger("living")
    await living.ask("explainer", model, "generate", request(1))
    with pytest.raises(BudgetError):
        await living.ask("explainer", model, "generate", request(2))
    await asyncio.gather(asking, return_exceptions=True)


async def test_who_no_longer_waits_for_the_budget_holds_none_of_it(spread_with: Any) -> None:
    spread = await spread_with(budget=BudgetLimits(max_calls=1))
    budgets = [LineBudget(LoopLine(spread.hub, name), BudgetLimits(max_calls=1)) for name in "ab"]
    one = Charge(calls=1)
    await budgets[0].reserve(one)
    waiting = asyncio.create_task(budgets[1].reserve(one))
    await _turns_of_the_loop()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    budgets[0].settle(one, Charge())
    await _turns_of_the_loop()
    await asyncio.wait_for(budgets[1].reserve(one), 5)


async def test_what_the_store_raises_is_raised(spread_with: Any) -> None:
    spread = await spread_with()
    with pytest.raises(StoreError, match="No runs"):
        LineStore(LoopLine(spread.hub, "a")).run("none")


async def test_one_file_is_recorded_for_all(spread_with: Any, make_model: Any, tmp_path: Path) -> None:
    spread, model = await spread_with(), make_model()
    for name in "ab":
        line = LoopLine(spread.hub, name)
        ledger = Ledger(LineStore(line), RUN, file=LineFile(line), alone=partial(alone_at_the_hub, line))
        await ledger.ask("explainer", model, "generate", request(0))
        await ledger.ask("explainer", model, "generate", request(ord(name)))
    lines = (tmp_path / "f").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert LedgerFile(tmp_path / "f").answers("none") is False


async def test_progress_of_many_is_one() -> None:
    hub = ProgressHub({"collect": 5})
    await hub.open()
    parts = [LineProgress(LoopLine(hub, name)) for name in "ab"]
    for part in parts:
        part.start("explain", 6, "steps")
        part.advance("explain", 4)
        part.advance("collect", 3)
        part.note(f"a note of {parts.index(part)}")
        part.finish("explain")
    await _turns_of_the_loop()
    told = [
        ("start", ("explain", 6, "steps")),
        ("advance", ("explain", 4)),
        ("advance", ("collect", 3)),
        ("note", ("a note of 0",)),
        ("advance", ("explain", 2)),
        ("advance", ("collect", 2)),
        ("note", ("a note of 1",)),
    ]
    assert await hub.news(0) == told
    assert await hub.news(3) == told[3:], "three were heard, and four were lost on the way"
    listening = asyncio.create_task(hub.news(7))
    parts[0].advance("explain")  # beyond the total
    await _turns_of_the_loop()
    assert not listening.done()
    parts[0].note("last")
    assert await listening == [("note", ("last",))]
    assert await hub.close(7) == [("note", ("last",)), ("finish", ("explain",))]
