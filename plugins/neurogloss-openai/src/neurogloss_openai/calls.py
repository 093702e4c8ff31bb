"""Requests that take several calls: some may fail, and none that was answered is asked again."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from neurogloss.errors import LanguageModelError, TransientError
from neurogloss.interfaces.turns import turn
from neurogloss.records.requests import Usage
from neurogloss_openai.clients import Body, Server
from neurogloss_openai.configs import Endpoint, TokenLimitField
from neurogloss_openai.replies import usage_of

T = TypeVar("T")
_KEPT = 4096
_LIMITS = ("max_tokens", TokenLimitField.MAX_COMPLETION_TOKENS.value, "max_output_tokens")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call of a request."""

    endpoint: Endpoint
    body: Body
    read: Callable[[Body], T]
    """Reads the reply; raises `TransientError` if it is malformed."""
    sample: int = 0
    """Tells equal calls apart that are to be answered independently."""

    @cached_property
    def _written(self) -> str:
        return json.dumps([self.endpoint.value, self.sample, self.body], sort_keys=True)

    @cached_property
    def key(self) -> str:
        """Equal for equal calls."""
        return hashlib.sha256(self._written.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def most_tokens(self) -> int:
        """What it can use at most: a token for each byte that is sent, and all that may be written."""
        return len(self._written) + int(self.body.get("n", 1)) * max(int(self.body.get(name, 0)) for name in _LIMITS)


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a reply said, and what it cost."""

    value: T
    usage: Usage


class Caller:
    """Makes the calls of one request side by side.

    Where a request fails for some of its calls, the others' answers are kept until it is asked again.
    """

    def __init__(self, server: Server, parallel: int) -> None:
        self._server = server
        self._parallel = parallel
        self._kept: OrderedDict[str, Answer[Any]] = OrderedDict()

    async def ask(self, calls: Sequence[Call[T]]) -> list[Answer[T]]:
        """The answers, in order.

        Raises:
            TransientError: At least one call failed, and none for good.
            PermanentError: A call will fail again.
        """
        gate = asyncio.Semaphore(self._parallel)
        failed: list[LanguageModelError] = []

        async def answer(call: Call[T]) -> Answer[T] | None:
            async with gate:
                if failed:  # what is under way is paid for and ends; nothing more is begun
                    return None
                try:
                    return await self._answer(call)
                except LanguageModelError as error:
                    failed.append(error)
                    return None

        answers = await asyncio.gather(*map(answer, calls))
        if failed:
            raise _joined(failed, len(calls))
        return [answer for answer in answers if answer is not None]

    def forget(self, calls: Sequence[Call[T]]) -> None:
        """Lets go of the answers of a request that is answered."""
        for call in calls:
            self._kept.pop(call.key, None)

    async def _answer(self, call: Call[T]) -> Answer[T]:
        key = call.key
        if key not in self._kept:
            async with turn(call.most_tokens) as taken:
                reply = await self._server.ask(call.endpoint, call.body)
                answer = self._kept[key] = Answer(call.read(reply), usage_of(reply))
                if answer.usage.prompt_tokens is not None and answer.usage.completion_tokens is not None:
                    taken.tokens = answer.usage.prompt_tokens + answer.usage.completion_tokens
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]


def _joined(failed: Sequence[LanguageModelError], n_calls: int) -> LanguageModelError:
    """The first failure that waiting does not change, or else all of them as one that may pass."""
    passing = [error for error in failed if isinstance(error, TransientError)]
    if len(passing) < len(failed):
        return next(error for error in failed if not isinstance(error, TransientError))
    if n_calls == 1:
        return failed[0]
    waits = [error.retry_after for error in passing if error.retry_after is not None]
    return TransientError(
        f"{len(failed)} of the request's {n_calls} calls failed; the first: {failed[0].wrong}",
        known=failed[0].known,
        remedy=failed[0].remedy,
        retry_after=max(waits, default=None),
        rate_limited=any(error.rate_limited for error in passing),
    )
