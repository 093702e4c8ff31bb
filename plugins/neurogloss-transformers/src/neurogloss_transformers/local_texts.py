"""Answers to text requests: how likely a text is after a context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from neurogloss.errors import PermanentError
from neurogloss.records.requests import TextReply, TextRequest, Usage
from neurogloss_transformers.batching import Call, run_isolated
from neurogloss_transformers.local_choices import check_length
from neurogloss_transformers.local_engine import Engine
from neurogloss_transformers.slots import TextEncoder


@dataclass(frozen=True)
class _Text:
    """A text request as tokens."""

    call: Call
    tokens: list[int]
    """Of the context and the text."""
    start: int
    """The index of the text's first token."""

    @property
    def before_last(self) -> list[int]:
        """What predicts the last token."""
        return self.tokens[:-1]

    @property
    def places(self) -> range:
        """The indices of the text's tokens."""
        return range(self.start, len(self.tokens))


def answer_texts(engine: Engine, encoder: TextEncoder, calls: Sequence[Call]) -> None:
    """Answers calls whose requests are `TextRequest`s; each gets its reply or its error."""
    texts: list[_Text] = []
    for call in calls:
        try:
            texts.append(_text(engine, encoder, call))
        except Exception as error:  # the error of one request, which must not reach the others
            call.fail(error)
    for batch in engine.plan([text.before_last for text in texts], [text.places for text in texts]):

        def run(members: list[_Text], n_prefix: int = batch.n_prefix) -> None:
            logits, cached = engine.logits_at(
                [text.before_last for text in members], [text.places for text in members], n_prefix
            )
            for text, of_places, n_cached in zip(members, logits, cached, strict=True):
                targets = torch.tensor(text.tokens[text.start :], device=of_places.device)
                logprobs = of_places.log_softmax(-1).gather(1, targets[:, None])
                usage = Usage(len(text.tokens), n_cached, completion_tokens=0)
                text.call.succeed(TextReply(float(logprobs.double().sum()), len(targets), usage))

        run_isolated([texts[index] for index in batch.members], lambda text: text.call, run)


def _text(engine: Engine, encoder: TextEncoder, call: Call) -> _Text:
    request = call.request
    assert isinstance(request, TextRequest)
    if not request.text:
        raise PermanentError("An empty text has no log-probability.")
    encoded = encoder.encode(request.context + request.text, with_bos=True)
    text = _Text(call, encoded.tokens, encoded.token_at(len(request.context), 0))
    check_length(engine, len(text.tokens))
    return text
