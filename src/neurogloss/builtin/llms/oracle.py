"""A language model that knows the truth about the synthetic subject's units."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from neurogloss.builtin.llms.configs import OracleConfig, ScriptedConfig
from neurogloss.builtin.llms.readers.reader import Answer, told
from neurogloss.builtin.llms.readers.table import READERS
from neurogloss.builtin.llms.scripted import ScriptedModel
from neurogloss.builtin.llms.truth import Chance, Knowledge, Truth
from neurogloss.builtin.subjects.unit_files import UnitFile
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, LanguageModel
from neurogloss.interfaces.token_counting import TokenCounting
from neurogloss.records.codec import encode
from neurogloss.records.requests import (
    ChoiceReply,
    ChoiceRequest,
    Completion,
    GenerateReply,
    GenerateRequest,
    Request,
    Usage,
)


class OracleModel(LanguageModel, TokenCounting):
    """Answers questions about known explanations exactly: the ceiling that scorers and simulators are tried on.

    It sees the rendered request and nothing else. It looks there for an explanation that it knows (true or
    false: it answers by the rule that the text stands for) and for what is asked about; if either is
    missing, if nobody taught it this kind of prompt, or if it is told to be random, it answers by chance,
    seeded by the request. So a prompt that leaves out the explanation or the text scores like chance.
    """

    def __init__(self, config: OracleConfig) -> None:
        units = UnitFile(config.units)
        self._knowledge = Knowledge(units.claims)
        self._random = config.random
        self._sha256 = units.sha256
        self._ignorant = ScriptedModel(ScriptedConfig())

    @property
    def capabilities(self) -> frozenset[str]:
        return frozenset({GENERATE, CHOICE_LOGPROBS})

    def identity(self) -> Mapping[str, str]:
        return {"provider": "oracle", "units": self._sha256, "random": str(self._random)}

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        answer = _answer(request)
        if answer is None:
            return await self._ignorant.generate(request)
        texts = [str(answer(self._truth(request, sample))) for sample in range(request.n)]
        written = sum(len(text.split()) for text in texts)
        return GenerateReply(tuple(map(Completion, texts)), Usage(await self.count_tokens(request), 0, written))

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(choices)

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        answer = _answer(request)
        if answer is None:
            return await self._ignorant.choice_logprobs(request)
        logprobs = np.asarray(answer(self._truth(request)), dtype=np.float64)
        return ChoiceReply(logprobs, Usage(await self.count_tokens(request), 0, len(logprobs)))

    async def count_tokens(self, request: Request) -> int:
        """As the scripted model counts: words."""
        return await self._ignorant.count_tokens(request)

    def _truth(self, request: Request, sample: int = 0) -> Truth:
        known = None if self._random else self._knowledge.truth_in(told(request))
        if known is not None:
            return known
        return Chance(f"{hashlib.sha256(encode(request).encode('utf-8')).hexdigest()} {sample}")


def _answer(request: Request) -> Answer | None:
    return next((answer for answer in (reader(request) for reader in READERS) if answer is not None), None)
