"""How fast one endpoint may be asked: one limiter for all roles and components that use it."""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from neurogloss.errors import ConfigError, TransientError

Endpoint = tuple[str, str]
"""A provider and a server of it."""

_MINUTE = 60.0
_PAUSE_S = 1.0
"""How long all wait after a rate limit, where the server does not say."""


class Clock:
    """Time, as the ledger sees it; tests have one of their own."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)


@dataclass
class Limits:
    """How fast and how often servers are asked; for all roles together, for each server apart."""

    concurrency: int = 16
    """Calls in flight at once; a request that takes several counts as several."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Tokens of prompts and completions; a call reserves its bound and gives back what it did not use."""
    attempts: int = 6
    """How often a request is sent before it has failed; only what can pass is sent again."""
    patience_s: float = 600.0
    """Seconds after a request's first failure in which it may be sent again."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range."""
        for name in ("concurrency", "requests_per_minute", "tokens_per_minute", "attempts"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}.", known=f"{name} is at least 1.")
        if not self.patience_s >= 0:
            raise ConfigError(f"patience_s is {self.patience_s}.", known="patience_s is at least 0.")


@dataclass(eq=False)
class Turn:
    """One call's place among the others."""

    at: float
    tokens: int
    """What the call is taken to use of the minute's tokens."""


class Pace(ABC):
    """How fast one endpoint is asked."""

    @abstractmethod
    def turn(self, tokens: int) -> AbstractAsyncContextManager[Turn]:
        """Waits until a call that uses at most so many tokens may be made; it is in flight within the block."""

    @abstractmethod
    def succeeded(self, turn: Turn, tokens: int) -> None:
        """A call was answered, and used so many tokens."""

    @abstractmethod
    def failed(self, turn: Turn, error: Exception) -> None:
        """A call was not answered; if for a rate limit, all slow down."""


class Limiter(Pace):
    """Lets calls to one endpoint through in the order in which they come.

    In no 60 seconds are there more calls, or more tokens, than allowed; a call larger than a whole
    minute's tokens goes alone. A rate limit that the server tells pauses all, and halves how many may
    be in flight; every round of successes lets one more in, up to `limits.concurrency`.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._allowed = float(limits.concurrency)
        self._active = 0
        self._paused_until = -math.inf
        self._slowed_at = -math.inf
        self._window: deque[Turn] = deque()
        self._window_tokens = 0
        self._queue = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def concurrency(self) -> int:
        """How many calls may be in flight now."""
        return int(self._allowed)

    @asynccontextmanager
    async def turn(self, tokens: int) -> AsyncIterator[Turn]:
        async with self._queue:
            while (wait := self._wait(tokens)) > 0:
                await self._changed_within(wait)
            turn = Turn(self._clock.now(), tokens)
            self._active += 1
            if self._limits.requests_per_minute or self._limits.tokens_per_minute:
                self._window.append(turn)
                self._window_tokens += tokens
        try:
            yield turn
        finally:
            self._active -= 1
            self._changed.set()

    def succeeded(self, turn: Turn, tokens: int) -> None:
        self._correct(turn, tokens)
        self._allowed = min(self._limits.concurrency, self._allowed + 1 / self._allowed)

    def failed(self, turn: Turn, error: Exception) -> None:
        self._correct(turn, 0)
        if not isinstance(error, TransientError) or not error.rate_limited:
            return
        now = self._clock.now()
        pause = _PAUSE_S if error.retry_after is None else error.retry_after
        self._paused_until = max(self._paused_until, now + pause)
        if turn.at > self._slowed_at:  # the calls that were in flight together are one sign, not many
            self._slowed_at = now
            self._allowed = max(1.0, self._allowed / 2)

    def _correct(self, turn: Turn, tokens: int) -> None:
        if self._window and turn.at >= self._window[0].at:
            self._window_tokens += tokens - turn.tokens
            turn.tokens = tokens

    def _wait(self, tokens: int) -> float:
        """Seconds until the next call may be made; 0 if now, infinity if another call must end first."""
        now = self._clock.now()
        while self._window and self._window[0].at <= now - _MINUTE:
            self._window_tokens -= self._window.popleft().tokens
        wait = max(self._paused_until, self._free_at(tokens)) - now
        if wait > 0:
            return wait
        return math.inf if self._active >= self.concurrency else 0.0

    def _free_at(self, tokens: int) -> float:
        """When the last minute leaves room for a call."""
        requests, most = self._limits.requests_per_minute, self._limits.tokens_per_minute
        at = -math.inf
        if requests and len(self._window) >= requests:
            at = self._window[0].at + _MINUTE
        if most:
            excess = self._window_tokens - max(0, most - tokens)
            for turn in self._window:
                if excess <= 0:
                    break
                excess -= turn.tokens
                at = max(at, turn.at + _MINUTE)
        return at

    async def _changed_within(self, seconds: float) -> None:
        self._changed.clear()
        waits: set[asyncio.Future[object]] = {asyncio.ensure_future(self._changed.wait())}
        if seconds < math.inf:
            waits.add(asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
