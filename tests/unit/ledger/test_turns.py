"""A request that takes several calls counts as several: against the limits, in the ledger and in the budget."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from neurogloss.errors import BudgetError, TransientError
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.turns import TurnTaking, turn
from neurogloss.pipeline.budget import Budget, BudgetLimits
from neurogloss.pipeline.ledger import Ledger
from neurogloss.pipeline.limits import Limits
from neurogloss.records.documents import Message
from neurogloss.records.requests import Completion, GenerateReply, GenerateRequest, Request, Usage
from neurogloss.store.sql import SqlResultStore

TOKENS = 110
"""Of one call."""


class Several(LanguageModel, TurnTaking):
    """Makes a call for each text; `told` are what calls raise in turn."""

    capabilities = frozenset({"generate"})

    def __init__(self, clock: Any, *told: Exception | None) -> None:
        self._clock = clock
        self._told = list(told)
        self.begun: list[float] = []
        self.together = self.most_together = 0

    def identity(self) -> dict[str, str]:
        return {"provider": "openai", "model": "gpt-4o"}

    def n_calls(self, request: Request) -> int:
        assert isinstance(request, GenerateRequest)
        return request.n

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        texts = await asyncio.gather(*(self._text() for _ in range(request.n)), return_exceptions=True)
        for text in texts:
            if isinstance(text, BaseException):
                raise text
        return GenerateReply((Completion("text"),) * request.n, Usage(100 * request.n, None, 10 * request.n))

    async def _text(self) -> None:
        async with turn(500) as taken:
            self.begun.append(self._clock.now())
            self.together += 1
            self.most_together = max(self.most_together, self.together)
            await self._clock.sleep(1)
            self.together -= 1
            taken.tokens = TOKENS
            if self._told and (error := self._told.pop(0)):
                raise error


def _asked(n: int, text: str = "a") -> GenerateRequest:
    return GenerateRequest((Message("user", text),), max_tokens=10, n=n)


@pytest.mark.parametrize(
    ("limits", "begun"),
    [
        (Limits(concurrency=2), [0, 0, 1, 1, 2]),
        (Limits(concurrency=9, requests_per_minute=3), [0, 0, 0, 60, 60]),
        (Limits(concurrency=1, tokens_per_minute=700), [0, 1, 60, 61, 120]),
    ],
)
async def test_each_call_takes_a_turn(store: SqlResultStore, clock: Any, limits: Limits, begun: list[float]) -> None:
    model = Several(clock)
    ledger = Ledger(store, "run", limits=limits, clock=clock).opened_for("explainer", model)
    asked = [asyncio.ensure_future(ledger.generate(_asked(n, str(n)))) for n in (2, 3)]
    await clock.advance(200)
    await asyncio.gather(*asked)
    assert model.begun == begun
    assert model.most_together <= limits.concurrency
    assert sorted((entry.attempts, entry.seconds) for entry in store.ledger("run")) == [(2, 2.0), (3, 3.0)]


async def test_a_rate_limit_that_one_call_meets_slows_all(store: SqlResultStore, clock: Any) -> None:
    model = Several(clock, TransientError("too many", retry_after=30, rate_limited=True))
    limits = Limits(concurrency=2)
    ledger = Ledger(store, "run", limits=limits, clock=clock).opened_for("explainer", model)
    asked = asyncio.ensure_future(ledger.generate(_asked(4)))
    await clock.advance(300)
    await asked
    first, second, *others = model.begun
    assert (first, second) == (0, 0)
    assert min(others) >= 31
    assert store.ledger("run")[0].attempts == 8, "what is sent again counts again"


async def test_the_budget_counts_calls(store: SqlResultStore, hurried: Any) -> None:
    model, budget = Several(hurried), Budget(BudgetLimits(max_calls=5))
    ledger = Ledger(store, "run", budget=budget, clock=hurried).opened_for("explainer", model)
    await ledger.generate(_asked(3))
    with pytest.raises(BudgetError, match="max_calls=5"):
        await ledger.generate(_asked(3, "b"))
    assert (budget.spent.calls, len(model.begun)) == (3, 3)
