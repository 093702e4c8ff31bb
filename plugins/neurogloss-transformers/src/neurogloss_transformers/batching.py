"""A worker thread that takes all waiting calls at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from neurogloss.errors import NeuroglossError, PermanentError
from neurogloss_transformers.room import out_of_memory

GATHER_SECONDS = 0.005
"""How long the worker waits for one more call before it begins. A caller that asks many things at
once hands them over within a fraction of this; a forward pass takes longer."""

M = TypeVar("M")


class Call:
    """One request on its way to its reply."""

    def __init__(self, request: object, closing: threading.Event) -> None:
        self.request = request
        self.future: Future[Any] = Future()
        self._closing = closing
        self._claimed: bool | None = None

    def claim(self) -> bool:
        """Whether a reply is still wanted; after a `True` it can no longer be cancelled."""
        if self._claimed is None:
            self._claimed = self.future.set_running_or_notify_cancel()
            if self._claimed and self._closing.is_set():
                self.future.set_exception(PermanentError("The language model was closed before it answered."))
                self._claimed = False
        return self._claimed and not self.future.done()

    def succeed(self, reply: object) -> None:
        """Hands over the reply, if anyone still waits for it."""
        if self.claim():
            self.future.set_result(reply)

    def fail(self, error: Exception) -> None:
        """Hands over the error, if anyone still waits; what is no error of ours becomes a `PermanentError`."""
        if self.claim():
            self.future.set_exception(error if isinstance(error, NeuroglossError) else _reported(error))


class BatchWorker:
    """Runs `handle` on all calls that wait, in one thread that starts with the first call.

    Args:
        handle: Answers calls by their `succeed` and `fail`. What it raises, or leaves unanswered,
            fails the calls that have no answer yet.
        name: The thread's name.
    """

    def __init__(self, handle: Callable[[Sequence[Call]], None], name: str) -> None:
        self._handle = handle
        self._name = name
        self._waiting: SimpleQueue[Call | None] = SimpleQueue()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    async def ask(self, request: object) -> Any:
        """The reply to a request; the event loop is not blocked meanwhile."""
        call = Call(request, self._closing)
        with self._starting:
            if self._closing.is_set():
                raise PermanentError("The language model is closed.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._waiting.put(call)
        return await asyncio.wrap_future(call.future)

    async def close(self) -> None:
        """Stops the thread after what it is computing now; calls that wait fail."""
        with self._starting:
            self._closing.set()
            self._waiting.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (call := self._waiting.get()) is not None:
            calls = [call, *self._gathered()]
            try:
                self._handle(calls)
            except Exception as error:  # whatever it is, it must reach those who wait, and the thread must go on
                fail_all(calls, error)
            fail_all(calls, RuntimeError("no answer was given"))

    def _gathered(self) -> Iterable[Call]:
        while True:
            try:
                call = self._waiting.get(timeout=GATHER_SECONDS)
            except Empty:
                return
            if call is None:
                self._waiting.put(None)
                return
            yield call


def fail_all(calls: Iterable[Call], error: Exception) -> None:
    """Fails the calls that have no answer yet."""
    for call in calls:
        call.fail(error)


def run_isolated(members: Sequence[M], call_of: Callable[[M], Call], run: Callable[[list[M]], None]) -> None:
    """Runs members together; if that fails one by one, or where memory ran out in halves.

    An error reaches only its own call.
    """
    wanted = [member for member in members if call_of(member).claim()]
    if not wanted:
        return
    try:
        run(wanted)
        return
    except Exception as error:  # any error of one request; its neighbours must not suffer
        if len(wanted) == 1:
            call_of(wanted[0]).fail(error)
            return
        part = -(-len(wanted) // 2) if out_of_memory(error) else 1
    # Only here is what the failed attempt held free again.
    for first in range(0, len(wanted), part):
        run_isolated(wanted[first : first + part], call_of, run)


def _reported(error: Exception) -> PermanentError:
    what = (str(error).strip().splitlines() or [""])[0]
    return PermanentError(
        "The model failed on this request.",
        known=f"{type(error).__name__}: {what}",
        remedy="If memory ran out, lower max_batch_tokens or choose another dtype or device."
        if out_of_memory(error)
        else "",
    )
