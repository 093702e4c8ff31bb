"""Turns: how a language model that makes several calls for one request keeps the limits with each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurogloss.records.requests import Request


@dataclass
class Taken:
    """A turn that was taken."""

    tokens: int
    """What the call has used; its bound, until the model says better."""


Turns = Callable[[int], AbstractAsyncContextManager[Taken]]
_TURNS: ContextVar[Turns | None] = ContextVar("turns", default=None)


class TurnTaking(ABC):
    """An ability of a language model: it takes a turn for each call it makes.

    For a model without it, the ledger takes one turn for each request.
    """

    @abstractmethod
    def n_calls(self, request: Request) -> int:
        """The most calls that a request can take. Cheap: opens no connection."""


@asynccontextmanager
async def turn(most_tokens: int) -> AsyncIterator[Taken]:
    """Waits until the limits let one more call be made, which is made within the block.

    Where nobody limits calls, as outside a run, there is nothing to wait for.

    Args:
        most_tokens: What the call can use at most, prompt and reply together.
    """
    turns = _TURNS.get()
    if turns is None:
        yield Taken(most_tokens)
    else:
        async with turns(most_tokens) as taken:
            yield taken


@contextmanager
def limited_by(turns: Turns) -> Iterator[None]:
    """What is asked within the block, tasks that begin there included, takes its turns from here."""
    before = _TURNS.set(turns)
    try:
        yield
    finally:
        _TURNS.reset(before)
