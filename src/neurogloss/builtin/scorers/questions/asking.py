"""Putting questions to a language model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurogloss.builtin.prompts.rendering import Conversation, Prompt
from neurogloss.builtin.scorers.questions.configs import AnswersAs, QuestionsConfig
from neurogloss.builtin.scorers.questions.parsing import YES_NO, numbers_to, read_answers
from neurogloss.builtin.scorers.questions.question import Question, Questionnaire
from neurogloss.errors import ConfigError, LanguageModelError
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, JSON_SCHEMA, LanguageModel
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import ChoiceRequest, GenerateRequest

SEPARATOR = " =>"
"""Before an answer; two signs in a row are kept apart from what follows by any tokenizer."""
_TOKENS_AROUND, _TOKENS_PER_ANSWER = 48, 6


@dataclass(frozen=True)
class Form:
    """How answers are named."""

    words: tuple[str, ...]
    """The word of each answer where probabilities are asked for; a single token each."""
    numbers: tuple[int, ...]
    """The number of each answer in JSON."""
    readable: Mapping[str, int]
    """What is read as an answer in a text."""
    single: bool
    """A question has several texts, and a request of its own."""
    label: str = "Text"
    """What stands before an answer where probabilities are asked for."""

    @classmethod
    def yes_no(cls) -> Form:
        """One text; no or yes."""
        return cls(("No", "Yes"), (0, 1), YES_NO, False)

    @classmethod
    def which(cls, n: int, label: str = "Text") -> Form:
        """`n` texts; the number of one."""
        numbers = tuple(range(1, n + 1))
        return cls(tuple(map(str, numbers)), numbers, numbers_to(n), True, label)

    def reply(self, answers: Sequence[int], *, slots: bool) -> str:
        """The reply that gives these answers, as the examples show it."""
        if slots:
            return "\n".join(
                f"{self.label}{place}{SEPARATOR}{self.words[answer]}"
                for place, answer in zip(self.places(len(answers)), answers, strict=True)
            )
        return f'{{"answers": [{", ".join(str(self.numbers[answer]) for answer in answers)}]}}'

    def places(self, n: int) -> list[str]:
        """What stands between the label and each answer: a number, where texts are answered one by one."""
        return [""] if self.single else [f" {i}" for i in range(1, n + 1)]

    def schema(self, n: int) -> Mapping[str, Any]:
        """The JSON schema of a reply to `n` questions."""
        items = {"type": "integer", "enum": list(self.numbers)}
        return {
            "type": "object",
            "properties": {"answers": {"type": "array", "items": items, "minItems": n, "maxItems": n}},
            "required": ["answers"],
            "additionalProperties": False,
        }


@dataclass(frozen=True)
class Example:
    """An invented unit with a few questions."""

    explanation: str
    texts: tuple[str, ...]
    answers: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """What was answered to one question."""

    chosen: int
    probabilities: tuple[float, ...] | None = None
    """Of each answer, where they were told."""


class Asker:
    """Asks the questions about one unit and one explanation at the same time, a few in each request.

    Args:
        config: How.
        llm: Whom.
        form: How answers are named.
        per_request: Questions in one request; what is left over makes a smaller one.

    Raises:
        ConfigError: Probabilities are demanded of a model that tells none, or the template is none.
    """

    def __init__(self, config: QuestionsConfig, llm: LanguageModel, form: Form, per_request: int = 1) -> None:
        self._config = config
        self._llm = llm
        self._form = form
        self._per_request = per_request
        self._prompt = Prompt(config.template, config.prompt)
        if config.answers is AnswersAs.PROBABILITIES and CHOICE_LOGPROBS not in llm.capabilities:
            raise ConfigError(
                "answers is probabilities, and the language model tells none.",
                known=f"It provides {', '.join(sorted(llm.capabilities)) or 'nothing'}.",
                remedy="Set answers=auto or answers=text.",
            )

    async def ask(
        self, explanation: str | None, asked: Questionnaire, examples: Sequence[Example]
    ) -> tuple[Answer | Failure, ...]:
        """An answer to each question, or why there is none; in order."""
        try:
            slots = await self._slots()
        except LanguageModelError as error:
            return (Failure(Reason.FAILED, str(error)),) * len(asked.questions)
        size = self._per_request
        parts = [asked.questions[start : start + size] for start in range(0, len(asked.questions), size)]
        ask = self._by_probabilities if slots else self._as_text
        replies = await asyncio.gather(
            *(ask(self.conversation(explanation, part, asked.variables, examples, slots=slots), part) for part in parts)
        )
        return tuple(answer for reply in replies for answer in reply)

    def conversation(
        self,
        explanation: str | None,
        part: Sequence[Question],
        variables: Mapping[str, Any],
        examples: Sequence[Example],
        *,
        slots: bool,
    ) -> Conversation:
        """The prompt for the questions of one request; with `slots` the answers follow its opening."""
        return self._prompt.render(
            explanation=None if explanation is None else " ".join(explanation.split()),
            texts=[text for question in part for text in question.texts],
            examples=[
                {
                    "explanation": example.explanation,
                    "texts": example.texts,
                    "reply": self._form.reply(example.answers, slots=slots),
                }
                for example in examples[: self._config.examples]
            ],
            slots=slots,
            **variables,
        )

    def choice_request(self, conversation: Conversation, n: int) -> ChoiceRequest:
        """The question for probabilities: a slot for each of `n` answers, which read the most likely before them."""
        lines = [f"{self._form.label}{place}{SEPARATOR}" for place in self._form.places(n)]
        chat = self._config.chat
        start, messages = ("", conversation.messages) if chat else (f"{conversation.plain}\n\n", ())
        return ChoiceRequest(
            (start + lines[0], *("\n" + line for line in lines[1:]), "\n"), self._form.words, None, messages
        )

    async def _slots(self) -> bool:
        """Whether probabilities are asked for.

        Raises:
            LanguageModelError: They must be, and an answer is no single token for this model.
        """
        if self._config.answers is AnswersAs.TEXT or CHOICE_LOGPROBS not in self._llm.capabilities:
            return False
        usable = await self._llm.usable_choices(self._form.words)
        if set(usable) == set(self._form.words):
            return True
        if self._config.answers is AnswersAs.AUTO:
            return False
        lost = ", ".join(repr(word) for word in self._form.words if word not in usable)
        raise LanguageModelError(f"No single token for this language model: {lost}. answers=text does without.")

    async def _by_probabilities(
        self, conversation: Conversation, part: Sequence[Question]
    ) -> tuple[Answer | Failure, ...]:
        request = self.choice_request(conversation, len(part))
        try:
            reply = await self._llm.choice_logprobs(request)
        except LanguageModelError as error:
            return (Failure(Reason.FAILED, str(error)),) * len(part)
        answers = tuple(self._likeliest(row) for row in reply.logprobs)
        if all(isinstance(answer, Failure) for answer in answers):
            self._llm.reject(request)
        return answers

    def _likeliest(self, logprobs: np.ndarray) -> Answer | Failure:
        mass = np.where(np.isfinite(logprobs), np.exp(logprobs), 0.0)
        total = mass.sum()
        if not total or total < self._config.minimum_mass:
            return Failure(Reason.UNPARSABLE, f"the answers together have probability {total:.2g}")
        return Answer(int(np.argmax(mass)), tuple(float(p) for p in mass / total))

    async def _as_text(self, conversation: Conversation, part: Sequence[Question]) -> tuple[Answer | Failure, ...]:
        request = GenerateRequest(
            messages=conversation.messages,
            max_tokens=_TOKENS_AROUND + _TOKENS_PER_ANSWER * len(part),
            seed=self._config.seed,
            json_schema=self._form.schema(len(part)) if JSON_SCHEMA in self._llm.capabilities else None,
        )
        try:
            reply = await self._llm.generate(request)
        except LanguageModelError as error:
            return (Failure(Reason.FAILED, str(error)),) * len(part)
        completion = reply.completions[0]
        if completion.finish_reason == "refusal":
            self._llm.reject(request)
            return (Failure(Reason.REFUSED, "the language model refused to answer"),) * len(part)
        answers = read_answers(completion.text, len(part), self._form.readable)
        if answers is None:
            self._llm.reject(request)
            detail = f"no {len(part)} answers in the reply {completion.text[:80]!r}"
            return (Failure(Reason.UNPARSABLE, detail),) * len(part)
        return tuple(map(Answer, answers))
