"""The turns of one attempt at a request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from neurogloss.interfaces.turns import Taken
from neurogloss.pipeline.calls import Call
from neurogloss.pipeline.limits import Clock, Pace, Turn


class CallTurns:
    """Lets each call of a request through its server's limiter, and counts and times it.

    Args:
        call: The request.
        limiter: What limits its server; none limits what runs in this process.
        clock: Tells the time.
        begun: Hears of every turn.
    """

    def __init__(self, call: Call, limiter: Pace | None, clock: Clock, begun: Callable[[], None]) -> None:
        self._call = call
        self._limiter = limiter
        self._clock = clock
        self._begun = begun

    @asynccontextmanager
    async def __call__(self, most_tokens: int) -> AsyncIterator[Taken]:
        """See `neurogloss.interfaces.turns.turn`."""
        limiter, taken = self._limiter, Taken(most_tokens)
        place: AbstractAsyncContextManager[Turn | None] = limiter.turn(most_tokens) if limiter else nullcontext()
        async with place as turn:
            self._call.attempts += 1
            self._begun()
            begun = self._clock.now()
            try:
                yield taken
            except Exception as error:
                if limiter and turn:
                    limiter.failed(turn, error)
                raise
            finally:
                self._call.seconds += self._clock.now() - begun
            if limiter and turn:
                limiter.succeeded(turn, taken.tokens)
