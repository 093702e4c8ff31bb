"""Language models and simulators for contract suites: well-behaved, failing, garbled, all-knowing."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from neurogloss.errors import PermanentError
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, LanguageModel
from neurogloss.interfaces.simulator import Simulator
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import ChoiceReply, ChoiceRequest, Completion, GenerateReply, GenerateRequest, Request
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import TokenSequence
from neurogloss.records.unit_records import UnitRecord


class FakeLanguageModel(LanguageModel):
    """Always writes the same text; which choice it prefers at a slot is a hash of all before it.

    Args:
        text: What it writes.
        finish_reason: How each completion ends.
        lists_choices: Whether the choices get probabilities: 0.9 for one, the rest shared among
            the others. If not, each is minus infinity.
        prefers: Which choice it prefers at every slot, in place of the hash.
    """

    def __init__(
        self,
        text: str = "words about animals",
        finish_reason: str = "stop",
        lists_choices: bool = True,
        prefers: int | None = None,
    ):
        self._completion = Completion(text, finish_reason)
        self._lists_choices = lists_choices
        self._prefers = prefers
        self.calls = 0
        """How many calls it was asked to answer."""
        self.requests: list[Request] = []
        """The requests that it answered."""
        self.rejected: list[Request] = []
        """The requests whose replies were of no use."""

    @property
    def capabilities(self) -> frozenset[str]:
        return frozenset({GENERATE, CHOICE_LOGPROBS})

    def identity(self) -> Mapping[str, str]:
        return {"backend": "fake", "text": self._completion.text}

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        self.calls += 1
        self.requests.append(request)
        return GenerateReply((self._completion,) * request.n)

    def reject(self, request: Request) -> None:
        self.rejected.append(request)

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(choices)

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        self.calls += 1
        self.requests.append(request)
        shape = (len(request.pieces) - 1, len(request.choices))
        if not self._lists_choices:
            return ChoiceReply(np.full(shape, -np.inf))
        logprobs = np.full(shape, np.log(0.1 / max(1, shape[1] - 1)))
        before = zlib.crc32(repr(request.messages).encode())
        for slot in range(shape[0]):
            before = zlib.crc32(request.pieces[slot].encode(), before)
            ranks = [zlib.crc32(choice.encode(), before) for choice in request.choices]
            logprobs[slot, int(np.argmax(ranks)) if self._prefers is None else self._prefers] = np.log(0.9)
        return ChoiceReply(logprobs)


class FailingLanguageModel(FakeLanguageModel):
    """Fails at every call."""

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        self.calls += 1
        raise PermanentError("This language model always fails.")

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        self.calls += 1
        raise PermanentError("This language model always fails.")


class HalfFailingLanguageModel(LanguageModel):
    """Fails at every second call, and passes the others on."""

    def __init__(self, llm: LanguageModel) -> None:
        self._llm = llm
        self._calls = 0

    @property
    def capabilities(self) -> frozenset[str]:
        return self._llm.capabilities

    def identity(self) -> Mapping[str, str]:
        return self._llm.identity()

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        self._count()
        return await self._llm.generate(request)

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        return await self._llm.usable_choices(choices)

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        self._count()
        return await self._llm.choice_logprobs(request)

    def _count(self) -> None:
        self._calls += 1
        if self._calls % 2 == 0:
            raise PermanentError("This language model fails at every second call.")


def refusing_language_model() -> FakeLanguageModel:
    """A model that refuses every request."""
    return FakeLanguageModel("", "refusal", lists_choices=False)


def garbled_language_model() -> FakeLanguageModel:
    """A model whose replies cannot be read: no words in its text, no choice in its lists."""
    return FakeLanguageModel("#!", lists_choices=False)


class FakeSimulator(Simulator):
    """Predicts, in activation units, what a function makes of the unit's true values.

    Args:
        record: The unit; the sequences to simulate must be among its records.
        predict: From the true values [pos] to the predicted ones [pos].
        fails: For which sequence ids there is a failure instead.
    """

    accepts = (Explanation,)

    def __init__(
        self,
        record: UnitRecord,
        predict: Callable[[np.ndarray], np.ndarray] = lambda values: values,
        fails: Callable[[int], bool] = lambda sequence_id: False,
    ):
        self._values = {
            activation.sequence.id: activation.values.astype(np.float64)
            for records in record.splits.values()
            for group in (records.top, records.random, records.importance, *records.quantile.values())
            for activation in group
        }
        self._predict = predict
        self._fails = fails

    async def simulate(
        self, explanation: Explanation, sequences: Sequence[TokenSequence]
    ) -> tuple[Simulation | Failure, ...]:
        return tuple(self._one(sequence) for sequence in sequences)

    def _one(self, sequence: TokenSequence) -> Simulation | Failure:
        if self._fails(sequence.id):
            return Failure(Reason.FAILED, "this simulator fails on purpose")
        expected = self._predict(self._values[sequence.id]).astype(np.float64)
        return Simulation(sequence.id, np.where(sequence.special, np.nan, expected), top_level=None)
