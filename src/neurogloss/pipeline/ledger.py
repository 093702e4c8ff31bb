"""The ledger: the one way to a language model.

A reply is committed before anyone sees it, and a request whose reply is committed is never sent
again, in this run or another. Equal requests in flight at once are sent once.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from functools import partial

from neurogloss.errors import BudgetError, LanguageModelError, NeuroglossError, PermanentError, rewrite
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.interfaces.turns import TurnTaking, limited_by
from neurogloss.pipeline.batches import Batches
from neurogloss.pipeline.budget import Budget, Charge
from neurogloss.pipeline.calls import Call
from neurogloss.pipeline.ledgered_model import USABLE_CHOICES, Answering, describe, encoded_key, request_key, verb_of
from neurogloss.pipeline.limits import Clock, Endpoint, Limiter, Limits, Pace
from neurogloss.pipeline.prices import Prices, in_process
from neurogloss.pipeline.replay import CallFile
from neurogloss.pipeline.retrying import retried
from neurogloss.pipeline.turns import CallTurns
from neurogloss.records import codec
from neurogloss.records.requests import GenerateReply, Reply, Request
from neurogloss.records.runs import RecordedCall

_log = logging.getLogger(__name__)

_PREPARED_TOGETHER = 4
"""Requests that are encoded and looked up before what is ready is sent; with all at once, the first waits for all."""


class Ledger(Answering):
    """Commits every call of one run, and answers from what is committed.

    Args:
        store: Where calls are committed.
        run_id: Whose calls.
        limits: How fast servers are asked, and how often about the same.
        prices: What calls cost.
        budget: What the run may spend.
        file: Gets every reply that is used, before it is used.
        redact: Takes secrets out of the texts of errors.
        ask_rejected: Ask again where the committed reply was of no use.
        note: Hears of what the user should know: of batches.
        clock: Tells and waits.
        pace: Of an endpoint; by default a limiter of this ledger's own.
        alone: A block in which no other ledger asks the request of a key; by default there is no other.
    """

    def __init__(
        self,
        store: ResultStore,
        run_id: str,
        *,
        limits: Limits | None = None,
        prices: Prices | None = None,
        budget: Budget | None = None,
        file: CallFile | None = None,
        redact: Callable[[str], str] = str,
        ask_rejected: bool = False,
        note: Callable[[str], None] = lambda _: None,
        clock: Clock | None = None,
        pace: Callable[[Endpoint], Pace] | None = None,
        alone: Callable[[str], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._limits = limits or Limits()
        self._prices = prices or Prices()
        self.budget = budget or Budget()
        self._file = file
        self._redact = redact
        self._ask_rejected = ask_rejected
        self._clock = clock or Clock()
        self._pace = pace or (lambda _: Limiter(self._limits, self._clock))
        self._paces: dict[Endpoint, Pace] = {}
        self._alone = alone
        self._in_flight: dict[str, asyncio.Task[Reply]] = {}
        self._sent: set[asyncio.Task[Reply] | None] = set()
        self._answered: set[str] = set()
        self._used: set[tuple[str, str]] = set()
        self._direct = 0
        self._closing = False
        self._preparing = asyncio.Semaphore(_PREPARED_TOGETHER)
        self._batches = Batches(
            store,
            run_id,
            self._prices,
            self.budget,
            self._limits,
            self._clock,
            cleaned=self._cleaned,
            busy=lambda: self._direct > 0,
            note=note,
        )

    async def ask(self, role: str, model: LanguageModel, verb: str, request: Request) -> Reply:
        """The committed reply to the request, asked for now if there is none.

        Raises:
            LanguageModelError: The call failed; the failure is committed too.
            BudgetError: The budget leaves too little for the call.
            PendingError: The reply is in a batch that is not finished, and is not to be waited for.
        """
        async with self._preparing:
            encoded = codec.encode(request)
            key = encoded_key(model, verb, encoded)
            committed = self._committed(key, role, model, verb, encoded)
            await asyncio.sleep(0)  # lets others go on
        if committed is not None:
            return committed
        task = self._in_flight.get(key)
        if task is None:
            identity = model.identity()
            price = self._prices.of(identity)
            batched = self._batches.take(key, verb, model)
            call = Call(key, role, model, verb, request, encoded, price, in_process(identity), batched)
            sent = self._send_in_batch(call, self._batches.held(call)) if batched else self._send(call)
            task = asyncio.ensure_future(sent)
            self._in_flight[key] = task
            task.add_done_callback(lambda _: self._in_flight.pop(key, None))
        # Shielded: one cancelled asker must not cancel a paid call that others wait for.
        return await asyncio.shield(task)

    async def usable_choices(self, model: LanguageModel, choices: Sequence[str]) -> tuple[str, ...]:
        async def ask() -> tuple[str, ...]:
            try:
                return await model.usable_choices(choices)
            except Exception as error:
                raise self._cleaned(error) from None

        usable = await retried(ask, self._limits, self._clock, seed=USABLE_CHOICES)
        key = request_key(model, USABLE_CHOICES, tuple(choices))
        self._record(key, USABLE_CHOICES, model, codec.encode(tuple(choices)), usable)
        return usable

    def reject(self, model: LanguageModel, request: Request) -> None:
        self._store.reject(request_key(model, verb_of(request), request))

    async def close(self) -> None:
        """Lets the calls that were sent end and commits their replies; ends those that were not."""
        self._closing = True
        tasks = list(self._in_flight.values())
        for task in tasks:
            if task not in self._sent:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._batches.close()

    async def _send_in_batch(self, call: Call, held: asyncio.Future[GenerateReply] | None) -> Reply:
        try:
            reply = await (held or self._batches.gathered(call))
        except LanguageModelError as error:
            self._record(call.key, call.verb, call.model, call.encoded, None, str(error))
            raise
        self._answered.add(call.key)
        self._record(call.key, call.verb, call.model, call.encoded, reply)
        return reply

    def _committed(self, key: str, role: str, model: LanguageModel, verb: str, encoded: str) -> Reply | None:
        """The reply that is in the store, which is used now, if there is one."""
        committed = self._store.reply(key, rejected=not self._ask_rejected or key in self._answered)
        if committed is not None:
            if (key, role) not in self._used and key not in self._answered:
                self._store.add_use(self._run_id, key, role)
                self._used.add((key, role))
            if self._file is not None and not self._file.answers(key):
                self._record(key, verb, model, encoded, committed)
        return committed

    async def _send(self, call: Call) -> Reply:
        async with self._alone(call.key) if self._alone else nullcontext():
            if self._alone:  # another may have asked meanwhile
                committed = self._committed(call.key, call.role, call.model, call.verb, call.encoded)
                if committed is not None:
                    return committed
            return await self._ask(call)

    async def _ask(self, call: Call) -> Reply:
        self._direct += 1
        try:
            return await retried(
                partial(self._attempt, call), self._limits, self._clock, call.key, lambda: self._closing
            )
        except (LanguageModelError, BudgetError) as error:
            if call.attempts:
                self._commit(call, None, str(error))
                self._record(call.key, call.verb, call.model, call.encoded, None, str(error))
            raise
        finally:
            self._direct -= 1

    async def _attempt(self, call: Call) -> Reply:
        task: asyncio.Task[Reply] | None = asyncio.current_task()
        pace = None if call.in_process else self._pace_of(call.model)
        # What runs here costs nothing, and need not be waited for.
        begun = partial(self._sent.add, task) if pace else lambda: None
        turns = CallTurns(call, pace, self._clock, begun)
        most = call.most if self.budget.limited else Charge(calls=1)
        await self.budget.reserve(most)
        before, cost = call.attempts, Charge()
        try:
            reply = await self._answer(call, turns)
            cost = call.charge(reply.usage)
            self._commit(call, reply, cost=cost)
        finally:
            self._sent.discard(task)
            self.budget.settle(most, replace(cost, calls=call.attempts - before))
        self._record(call.key, call.verb, call.model, call.encoded, reply)
        return reply

    async def _answer(self, call: Call, turns: CallTurns) -> Reply:
        async def ask() -> Reply:
            reply = await getattr(call.model, call.verb)(call.request)
            if not isinstance(reply, Reply):
                raise TypeError(f"{call.verb} returned {type(reply).__name__}, which is no reply")
            return reply

        try:
            if isinstance(call.model, TurnTaking):
                with limited_by(turns):
                    return await ask()
            async with turns(call.most.tokens if self._limits.tokens_per_minute else 0) as taken:
                reply = await ask()
                taken.tokens = call.charge(reply.usage).tokens
                return reply
        except Exception as error:
            raise self._cleaned(error) from None

    def _pace_of(self, model: LanguageModel) -> Pace:
        identity = model.identity()
        endpoint = (identity.get("provider", ""), identity.get("server", ""))
        if endpoint not in self._paces:
            self._paces[endpoint] = self._pace(endpoint)
        return self._paces[endpoint]

    def _commit(self, call: Call, reply: Reply | None, error: str = "", cost: Charge | None = None) -> None:
        self._store.add_entry(self._run_id, call.entry(reply, error, cost))
        if reply is not None:
            self._answered.add(call.key)

    def _record(
        self,
        key: str,
        verb: str,
        model: LanguageModel,
        request: str,
        reply: Reply | tuple[str, ...] | None,
        error: str = "",
    ) -> None:
        if self._file is not None:
            self._file.add(RecordedCall(key, verb, describe(model), request, reply, error))

    def _cleaned(self, error: Exception) -> Exception:
        """The error without secrets; a backend's own exception is a failed call like any other."""
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("a call failed: %s", self._redact("".join(traceback.format_exception(error))))
        if not isinstance(error, NeuroglossError):
            return PermanentError(self._redact(f"{type(error).__name__}: {error}"))
        rewrite(error, self._redact)
        return error
