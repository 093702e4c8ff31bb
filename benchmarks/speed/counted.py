"""A language model that counts, for the benchmarks of simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.records.requests import ChoiceReply, ChoiceRequest, GenerateReply, GenerateRequest


class Counted(LanguageModel):
    """A language model that counts what it is asked."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.n_tokens = self.n_computed = 0

    @property
    def capabilities(self) -> frozenset[str]:
        return self._model.capabilities

    def identity(self) -> Mapping[str, str]:
        return self._model.identity()

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        return await self._model.generate(request)

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        return await self._model.usable_choices(choices)

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        reply = await self._model.choice_logprobs(request)
        assert reply.usage.prompt_tokens is not None
        self.n_tokens += reply.usage.prompt_tokens
        self.n_computed += reply.usage.prompt_tokens - (reply.usage.cached_prompt_tokens or 0)
        return reply
