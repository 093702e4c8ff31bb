"""One request on its way to a language model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.turns import TurnTaking
from neurogloss.pipeline.budget import Charge
from neurogloss.pipeline.ledgered_model import describe
from neurogloss.pipeline.prices import Price
from neurogloss.records.requests import Reply, Request, Usage
from neurogloss.records.runs import LedgerEntry


@dataclass(eq=False)
class Call:
    """A request with all its attempts."""

    key: str
    role: str
    model: LanguageModel
    verb: str
    request: Request
    encoded: str
    price: Price | None
    in_process: bool
    batched: bool = False
    """It is asked through the provider's batch interface."""
    attempts: int = 0
    """Calls that were made, repeated ones included."""
    seconds: float = 0.0

    @cached_property
    def bound(self) -> Usage:
        """The most tokens that one attempt can take."""
        return self.model.bound(self.request)

    @property
    def most(self) -> Charge:
        """What one attempt can cost at most."""
        usd = self.price.most(self.bound, batched=self.batched) if self.price else 0.0
        n_calls = self.model.n_calls(self.request) if isinstance(self.model, TurnTaking) and not self.batched else 1
        return Charge(usd, _tokens(self.bound, self.bound), n_calls)

    def charge(self, usage: Usage) -> Charge:
        """What an answered attempt is taken to have cost: what is not told counts in full."""
        told = usage.prompt_tokens is not None and usage.completion_tokens is not None
        usd = self._usd(usage)
        return Charge(self.most.usd if usd is None else usd, _tokens(usage, usage if told else self.bound), 1)

    def entry(self, reply: Reply | None, error: str = "", cost: Charge | None = None) -> LedgerEntry:
        """The call as the ledger keeps it; without a cost it is charged nothing."""
        usage = Usage() if reply is None else reply.usage
        charged = cost or Charge()
        return LedgerEntry(
            key=self.key,
            role=self.role,
            model=describe(self.model),
            verb=self.verb,
            request=self.encoded,
            reply=reply,
            error=error,
            seconds=self.seconds,
            usage=usage,
            usd=None if reply is None else self._usd(usage),
            attempts=self.attempts,
            charged_tokens=charged.tokens,
            charged_usd=charged.usd,
        )

    def _usd(self, usage: Usage) -> float | None:
        return self.price.usd(usage, batched=self.batched) if self.price else None


def _tokens(usage: Usage, bound: Usage) -> int:
    prompt = bound.prompt_tokens if usage.prompt_tokens is None else usage.prompt_tokens
    completion = bound.completion_tokens if usage.completion_tokens is None else usage.completion_tokens
    return (prompt or 0) + (completion or 0)
