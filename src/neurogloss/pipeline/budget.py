"""The budget: what a run may spend, reserved before each call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from neurogloss.errors import BudgetError, ConfigError, NeuroglossError


@dataclass
class BudgetLimits:
    """What a run may spend in all, earlier starts included; null is no limit."""

    max_usd: float | None = None
    """US dollars."""
    max_tokens: int | None = None
    """Tokens of prompts and completions."""
    max_calls: int | None = None
    """Calls made, repeated ones included; a request may take several."""

    def check(self) -> None:
        """Raises `ConfigError` for a negative limit."""
        for name, value in vars(self).items():
            if value is not None and not value >= 0:
                raise ConfigError(f"{name} is {value}.", known=f"{name} is null or at least 0.")


@dataclass(frozen=True)
class Charge:
    """What was spent, or can be."""

    usd: float = 0.0
    tokens: int = 0
    calls: int = 0

    def __add__(self, other: Charge) -> Charge:
        return Charge(self.usd + other.usd, self.tokens + other.tokens, self.calls + other.calls)

    def __sub__(self, other: Charge) -> Charge:
        return Charge(self.usd - other.usd, self.tokens - other.tokens, self.calls - other.calls)


_COUNTED = {"max_usd": "usd", "max_tokens": "tokens", "max_calls": "calls"}


class Budget:
    """Spent and reserved together never exceed the limits.

    Args:
        limits: The limits.
        spent: By earlier starts of the run.
    """

    def __init__(self, limits: BudgetLimits | None = None, spent: Charge | None = None) -> None:
        self._limits = limits or BudgetLimits()
        self.spent = spent or Charge()
        self.waiting = 0
        """Calls that wait for others to leave enough."""
        self._reserved: list[Charge] = []
        self._settled = asyncio.Event()
        self._reached: NeuroglossError | None = None

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return any(limit is not None for limit in vars(self._limits).values())

    async def reserve(self, most: Charge) -> None:
        """Reserves what a call can cost at most; waits where calls in flight may leave enough for it.

        Raises:
            BudgetError: What is spent leaves too little. From then on, for every call.
        """
        while not self._reached and self._exceeded(sum(self._reserved, self.spent + most)):
            short = self._exceeded(self.spent + most)
            if short:
                self.refuse(self._error(short, most))
                break
            self._settled.clear()
            self.waiting += 1
            try:
                await self._settled.wait()
            finally:
                self.waiting -= 1
        if self._reached:
            raise self._reached
        self._reserved.append(most)

    def refuse(self, error: NeuroglossError) -> None:
        """Lets no further call be made, and tells those that wait why."""
        self._reached = error
        self._settled.set()

    def hold(self, most: Charge) -> None:
        """Reserves what may have been spent already: a batch that was handed in."""
        self._reserved.append(most)

    def settle(self, most: Charge, spent: Charge) -> None:
        """A call that had reserved `most` has ended."""
        self._reserved.remove(most)
        self.spent += spent
        self._settled.set()

    def _exceeded(self, charge: Charge) -> str:
        """The limit that this would exceed, if any."""
        for name, counted in _COUNTED.items():
            limit = getattr(self._limits, name)
            if limit is not None and getattr(charge, counted) > limit:
                return name
        return ""

    def _error(self, name: str, most: Charge) -> BudgetError:
        return BudgetError(
            f"The budget is reached: budget.{name}={getattr(self._limits, name):g}.",
            known=f"Of these, {_amount(name, self.spent)} are spent; the next call could take {_amount(name, most)}.",
            remedy=f"What is committed is kept: the same command with a larger budget.{name} goes on from there.",
        )


def _amount(name: str, charge: Charge) -> str:
    return f"${charge.usd:,.4f}" if name == "max_usd" else f"{getattr(charge, _COUNTED[name]):,}"
