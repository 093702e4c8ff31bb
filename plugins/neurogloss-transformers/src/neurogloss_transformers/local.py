"""The language model `local`: a Hugging Face causal model in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, LanguageModel
from neurogloss.interfaces.text_logprobs import TEXT_LOGPROBS, TextLogprobs
from neurogloss.interfaces.token_counting import TokenCounting
from neurogloss.records.requests import (
    ChoiceReply,
    ChoiceRequest,
    GenerateReply,
    GenerateRequest,
    Request,
    TextReply,
    TextRequest,
)
from neurogloss_transformers.batching import BatchWorker, Call
from neurogloss_transformers.configs import LocalModelConfig
from neurogloss_transformers.loading import load_model, load_tokenizer, model_identity
from neurogloss_transformers.local_counting import TokenCount, answer_counts
from neurogloss_transformers.slots import TextEncoder

if TYPE_CHECKING:  # a run that is whole already must not wait for torch
    from neurogloss_transformers.local_engine import Engine


@dataclass(frozen=True)
class _UsableChoices:
    """Asks which choices are single tokens."""

    choices: tuple[str, ...]


class LocalModel(LanguageModel, TextLogprobs, TokenCounting):
    """A Hugging Face causal model in this process.

    Requests that wait while the model computes are answered together: those that begin alike share
    the keys and values of their common prefix, which also stay for later requests. Log-probabilities
    agree with those of the text computed alone, up to the rounding of the chosen dtype.

    The weights are loaded with the first request, by the thread that computes. Sampling knows the
    temperature alone; no other setting of the model's own generation configuration applies.
    """

    def __init__(self, config: LocalModelConfig) -> None:
        self._config = config
        self._worker = BatchWorker(self._answer, "neurogloss-local")
        self._encoder: TextEncoder | None = None
        self._engine: Engine | None = None
        self._end_tokens: frozenset[int] = frozenset()

    @property
    def capabilities(self) -> frozenset[str]:
        """`generate`, `choice_logprobs` and `text_logprobs`."""
        return frozenset({GENERATE, CHOICE_LOGPROBS, TEXT_LOGPROBS})

    def identity(self) -> Mapping[str, str]:
        """Backend, model, revision and dtype."""
        return {"provider": "local", **model_identity(self._config), "dtype": self._config.dtype}

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        """Generates `request.n` texts, with the model's chat template or, where it has none, as plain text.

        Raises:
            PermanentError: The prompt is too long, or the model failed.
            SubjectError: The model cannot be loaded.
        """
        reply = await self._worker.ask(request)
        assert isinstance(reply, GenerateReply)
        return reply

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Those of `choices` that are single tokens in the model's tokenizer; loads no weights."""
        usable = await self._worker.ask(_UsableChoices(tuple(choices)))
        assert isinstance(usable, tuple)
        return usable

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        """Tells, at each slot, the log-probability of each choice.

        The whole filled text is tokenised as it stands; a slot's distribution is that of the token
        which starts exactly there.

        Raises:
            PermanentError: A choice is no single token, no token starts at a slot, the text is too
                long, or the model failed.
            SubjectError: The model cannot be loaded.
        """
        reply = await self._worker.ask(request)
        assert isinstance(reply, ChoiceReply)
        return reply

    async def text_logprobs(self, request: TextRequest) -> TextReply:
        """The log-probability of a text after a context, as plain text.

        Raises:
            PermanentError: No token starts where the text starts, the text is empty or too long, or the
                model failed.
            SubjectError: The model cannot be loaded.
        """
        reply = await self._worker.ask(request)
        assert isinstance(reply, TextReply)
        return reply

    async def count_tokens(self, request: Request) -> int:
        """The request's prompt tokens; loads the tokenizer, and no weights.

        Raises:
            PermanentError: No token starts at a slot, or the chat template refuses the messages.
            SubjectError: The tokenizer cannot be loaded.
        """
        count = await self._worker.ask(TokenCount(request))
        assert isinstance(count, int)
        return count

    async def close(self) -> None:
        """Stops the thread and frees the model; requests that wait fail."""
        await self._worker.close()
        self._engine = None

    def _answer(self, calls: Sequence[Call]) -> None:
        if self._encoder is None:
            self._encoder = TextEncoder(load_tokenizer(self._config))
        encoder = self._encoder
        for call in calls:
            if isinstance(call.request, _UsableChoices):
                choices = call.request.choices
                call.succeed(tuple(choice for choice in choices if encoder.choice_token(choice) is not None))
        answer_counts(encoder, [call for call in calls if isinstance(call.request, TokenCount)])
        choices_asked = [call for call in calls if isinstance(call.request, ChoiceRequest)]
        texts_asked = [call for call in calls if isinstance(call.request, GenerateRequest)]
        likelihoods_asked = [call for call in calls if isinstance(call.request, TextRequest)]
        if not choices_asked and not texts_asked and not likelihoods_asked:
            return
        import torch

        from neurogloss_transformers.local_choices import answer_choices
        from neurogloss_transformers.local_generation import answer_generations
        from neurogloss_transformers.local_texts import answer_texts

        with torch.inference_mode():
            engine = self._loaded(encoder)
            answer_choices(engine, encoder, choices_asked)
            answer_generations(engine, encoder, self._end_tokens, texts_asked)
            answer_texts(engine, encoder, likelihoods_asked)

    def _loaded(self, encoder: TextEncoder) -> Engine:
        from neurogloss_transformers.local_engine import Engine

        if self._engine is None:
            model = load_model(self._config)
            declared = model.generation_config.eos_token_id if model.generation_config is not None else None
            ends = declared if isinstance(declared, list) else [] if declared is None else [declared]
            self._end_tokens = encoder.end_tokens | frozenset(ends)
            self._engine = Engine(model, self._config.max_batch_tokens)
        return self._engine
