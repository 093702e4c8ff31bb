"""For several tiers: a language model that answers every question of the question scorers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from neurogloss.builtin.scorers.questions.asking import SEPARATOR, Form
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, LanguageModel
from neurogloss.records.requests import ChoiceReply, ChoiceRequest, Completion, GenerateReply, GenerateRequest, Request
from neurogloss.testing.records import WEIGHTS

_TEXT = re.compile(r"^Text (\d+): (.*)$", re.MULTILINE)
_WORD = re.compile(r"[\w🐈]+")
_GLOSS = re.compile(r"^The unit responds to (.*)\nText 1: ", re.MULTILINE)


class WordReader(LanguageModel):
    """Reads `the words A and B` and the texts in a prompt, and answers as one who knows what that means.

    Where the prompt does not say what a unit responds to, it knows that it is the words of `unit_record()`.
    """

    def __init__(self, capabilities: Sequence[str] = (GENERATE, CHOICE_LOGPROBS), usable: bool = True) -> None:
        self._capabilities = frozenset(capabilities)
        self._usable = usable
        self.requests: list[Request] = []

    @property
    def capabilities(self) -> frozenset[str]:
        return self._capabilities

    def identity(self) -> Mapping[str, str]:
        return {"provider": "scripted", "model": "reader"}

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(choices) if self._usable else ()

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        self.requests.append(request)
        answers = self._answers("\n".join([*(m.content for m in request.messages), request.pieces[0]]))
        assert request.pieces[0].endswith(SEPARATOR)
        rows = np.full((len(request.pieces) - 1, len(request.choices)), np.log(0.05))
        rows[np.arange(len(rows)), answers] = np.log(0.5)
        return ChoiceReply(rows)

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        self.requests.append(request)
        text = "\n".join(message.content for message in request.messages)
        answers = self._answers(text)
        form = Form.which(9) if "[N]" in text else Form.yes_no()
        return GenerateReply((Completion(form.reply(answers, slots=False)),))

    def _answers(self, prompt: str) -> list[int]:
        told = _GLOSS.findall(prompt)
        words = set(told[-1].removeprefix("the words ").split(" and ")) if told else set(WEIGHTS)
        texts = [text for _, text in _TEXT.findall("Text 1: " + prompt.rpartition("Text 1: ")[2])]
        firing = [words & set(_WORD.findall(text)) for text in texts]
        if "the intruder" in prompt:
            return [next(i for i, found in enumerate(firing) if not found)]
        if "exactly one of them" in prompt:
            return [next(i for i, found in enumerate(firing) if found)]
        if "are marked" in prompt:
            marked = [set(_WORD.findall(" ".join(re.findall("<<(.*?)>>", text)))) for text in texts]
            return [int(bool(inside) and inside <= words) for inside in marked]
        return [int(bool(found)) for found in firing]


@pytest.fixture
def word_reader() -> type[WordReader]:
    """Makes language models that read glosses of the form `the words A and B`."""
    return WordReader
