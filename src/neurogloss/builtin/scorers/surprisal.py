"""Scoring by surprisal: does the explanation make the texts on which the unit fires more likely?"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import numpy as np

from neurogloss.builtin.explainers.random_text import GLOSSES
from neurogloss.builtin.prompts.rendering import Prompt
from neurogloss.builtin.scorers.configs import SurprisalConfig
from neurogloss.builtin.scorers.texts import TextsScorer
from neurogloss.errors import ConfigError, LanguageModelError
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.negatives import Negatives
from neurogloss.interfaces.text_logprobs import TEXT_LOGPROBS, TextLogprobs
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import TextRequest


class SurprisalScorer(TextsScorer):
    """Rates a text by how much likelier a language model finds it when the explanation stands before it.

    The rating is the gain in nats per token over the mean of the same line with unrelated explanations,
    since any explanation makes some texts likelier by its form alone. What is asked with these is the same
    for every explanation of a unit, and is asked once.

    Source: Paulo et al. 2024, "Automatically Interpreting Millions of Features in Large Language Models",
    which compares with a line without an explanation (`n_unrelated=0`).
    """

    name = "surprisal"

    def __init__(self, config: SurprisalConfig, llm: LanguageModel, negatives: Negatives | Sequence[Negatives]) -> None:
        super().__init__(config, negatives)
        if not isinstance(llm, TextLogprobs) or TEXT_LOGPROBS not in llm.capabilities:
            raise ConfigError(
                "scorer=surprisal needs a language model that tells how likely a text is.",
                known=f"This one provides {', '.join(sorted(llm.capabilities)) or 'nothing'}.",
                remedy="Choose scorer/llm=local, or another that provides text_logprobs.",
            )
        self._llm = llm
        self._reject = llm.reject
        self._prompt = Prompt("surprisal", config.prompt)
        drawn = np.random.default_rng(config.seed).permutation(len(GLOSSES))[: config.n_unrelated]
        self._unrelated = [self.context(GLOSSES[i]) for i in drawn] or [self.context(None)]

    async def rate(self, gloss: str, texts: Sequence[str]) -> Sequence[float | Failure]:
        """The gains."""
        return await asyncio.gather(*(self._gain(gloss, text.strip()) for text in texts))

    def context(self, gloss: str | None) -> str:
        """What stands before a text."""
        explanation = None if gloss is None else " ".join(gloss.split()).rstrip(".:")
        return self._prompt.render(explanation=explanation).plain + "\n"

    async def _gain(self, gloss: str, text: str) -> float | Failure:
        contexts = (self.context(gloss), *self._unrelated)
        told = await asyncio.gather(*(self._per_token(context, text) for context in contexts))
        failures = [each for each in told if isinstance(each, Failure)]
        if failures:
            return failures[0]
        own, *unrelated = np.array(told, dtype=np.float64)
        return float(own - np.mean(unrelated))

    async def _per_token(self, context: str, text: str) -> float | Failure:
        request = TextRequest(context, text)
        try:
            reply = await self._llm.text_logprobs(request)
        except LanguageModelError as error:
            return Failure(Reason.FAILED, str(error))
        if not reply.n_tokens or not math.isfinite(reply.logprob):
            self._reject(request)
            return Failure(Reason.UNPARSABLE, f"a log-probability of {reply.logprob:g} over {reply.n_tokens} tokens")
        return reply.logprob / reply.n_tokens
