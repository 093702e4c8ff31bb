"""Simulation from the log-probabilities of levels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain

import numpy as np

from neurogloss.builtin.prompts.examples import EXAMPLES, ExampleRecord
from neurogloss.builtin.prompts.rendering import Conversation, Prompt, shown
from neurogloss.builtin.simulators.configs import TEMPLATES, Layout, LogprobConfig, Mode
from neurogloss.builtin.simulators.outcomes import mismatch, simulation_of
from neurogloss.errors import LanguageModelError
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.simulator import Simulator
from neurogloss.records.explanations import Explanation, ProseExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import ChoiceRequest
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import TokenSequence

SEPARATOR = " =>"
"""Between a token and its level.

A level must begin at a token boundary in any tokenizer. Many tokenizers join a word to the one
character before it, a tab included, so that `unknown` after a tab would swallow it; two signs in
a row they keep apart from the letters and digits that follow.
"""
HIDDEN = {Layout.LINES: "unknown", Layout.COMPACT: " _"}
"""What stands for a level that is not shown.

Where it follows its token directly it begins with a space: there every tokenizer begins a token, so
no separator is needed.
"""
_LEVELS = tuple(map(str, range(11)))


class LogprobSimulator(Simulator):
    """Expected levels, from how likely each level is after each token.

    Source: Bills et al. 2023, "Language models can explain neurons in language models".
    """

    accepts = (ProseExplanation,)

    def __init__(self, config: LogprobConfig, llm: LanguageModel) -> None:
        self.calibration = config.calibration
        self._config = config
        self._llm = llm
        self._prompt = Prompt(TEMPLATES[config.layout], config.prompt)
        self._hidden = HIDDEN[config.layout] if config.mode is Mode.ALL_AT_ONCE else None

    async def simulate(
        self, explanation: Explanation, sequences: Sequence[TokenSequence]
    ) -> tuple[Simulation | Failure, ...]:
        """Makes all requests at the same time; see `Simulator.simulate`."""
        if not isinstance(explanation, ProseExplanation):
            return mismatch(self, explanation, sequences)
        try:
            choices = await self._choices()
        except LanguageModelError as error:
            return (Failure(Reason.FAILED, str(error)),) * len(sequences)
        conversation = self.conversation(explanation.text, len(choices) - 1)
        asked = [sequence for sequence in sequences if sequence.pieces]
        together = self._config.sequences_per_request
        groups = [asked[start : start + together] for start in range(0, len(asked), together)]
        told = chain(*await asyncio.gather(*(self._simulate(conversation, group, choices) for group in groups)))
        nothing = Failure(Reason.TOO_FEW_RECORDS, "the sequence has no token to ask about")
        return tuple(next(told) if sequence.pieces else nothing for sequence in sequences)

    def conversation(self, explanation: str, top: int) -> Conversation:
        """The part of the prompt that all sequences share."""
        examples = [
            {"unit": number, "explanation": example.explanation, "lines": self._lines(record, top)}
            for number, example in enumerate(EXAMPLES, start=1)
            for record in example.records
        ]
        return self._prompt.render(
            explanation=" ".join(explanation.split()),
            examples=examples,
            separator=SEPARATOR,
            hidden=self._hidden,
            top=top,
        )

    def request(
        self, conversation: Conversation, sequences: Sequence[TokenSequence], choices: tuple[str, ...]
    ) -> ChoiceRequest:
        """The question about one or several sequences: a slot for each of their pieces.

        What the last turn says of the unit stands before each of them, as it does in the examples.
        """
        end, separator = ("\n", SEPARATOR) if self._config.layout is Layout.LINES else ("", "")
        if self._config.chat:
            start, messages = conversation.opening, conversation.messages
        else:
            start, messages = f"{conversation.plain}\n\n{conversation.opening}", ()
        last = [message.content for message in conversation.messages[-1:]]
        again = "\n\n".join(["", *last, conversation.opening])
        pieces: list[str] = []
        for sequence in sequences:
            tokens = [f"{shown(piece.text)}{separator}" for piece in sequence.pieces]
            pieces += (f"{again if pieces else start}\n{tokens[0]}", *(end + token for token in tokens[1:]))
        return ChoiceRequest((*pieces, end), choices, self._hidden, messages)

    def _lines(self, record: ExampleRecord, top: int) -> list[tuple[str, str]]:
        answers = [str(level) for level in record.levels_to(top)]
        if self._hidden is not None:
            answers[: record.revealed] = [self._hidden] * record.revealed
        return list(zip(map(shown, record.tokens), answers, strict=True))

    async def _choices(self) -> tuple[str, ...]:
        """The levels this model can name: 0..10, or 0..9 where its tokenizer splits "10"."""
        usable = set(await self._llm.usable_choices(_LEVELS))
        if not usable.issuperset(_LEVELS[:-1]):
            raise LanguageModelError("The digits 0 to 9 are not single tokens for this language model.")
        return tuple(level for level in _LEVELS if level in usable)

    async def _simulate(
        self, conversation: Conversation, sequences: Sequence[TokenSequence], choices: tuple[str, ...]
    ) -> list[Simulation | Failure]:
        request = self.request(conversation, sequences, choices)
        try:
            reply = await self._llm.choice_logprobs(request)
        except LanguageModelError as error:
            return [Failure(Reason.FAILED, str(error))] * len(sequences)
        probabilities = level_probabilities(reply.logprobs, self._config.minimum_mass)
        ends = np.cumsum([len(sequence.pieces) for sequence in sequences])
        outcomes = [
            simulation_of(sequence, expected_levels(of_sequence), len(choices) - 1, of_sequence)
            for sequence, of_sequence in zip(sequences, np.split(probabilities, ends[:-1]), strict=True)
        ]
        if any(isinstance(outcome, Failure) for outcome in outcomes):
            self._llm.reject(request)
        return outcomes


def level_probabilities(logprobs: np.ndarray, minimum_mass: float) -> np.ndarray:
    """Probabilities among the levels alone.

    Args:
        logprobs: float64 [slot level], minus infinity for a level that was not listed.
        minimum_mass: A slot whose levels hold less probability together has no answer.

    Returns:
        float64 [slot level]: each row sums to 1, or is NaN where there is no answer.
    """
    mass = np.where(np.isfinite(logprobs), np.exp(logprobs), 0.0)
    total = mass.sum(axis=1, keepdims=True)
    answered = (total > 0) & (total >= minimum_mass)
    return np.where(answered, mass / np.where(answered, total, 1.0), np.nan)


def expected_levels(probabilities: np.ndarray) -> np.ndarray:
    """The expected level of each slot [slot]: the sum of level times probability."""
    return np.asarray(probabilities @ np.arange(probabilities.shape[1]), dtype=np.float64)
