"""Configurations of the scorers that ask about texts; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from neurogloss.builtin.prompts.checking import check_prompt
from neurogloss.errors import ConfigError

WHOLE_RECORDS = ("top", "quantile", "importance")
KINDS_OF_POSITIVES = (*WHOLE_RECORDS, "beginnings")
MOST_TEXTS = 9
"""Texts to choose from are numbered with one digit, which is one token for every language model."""


class AnswersAs(Enum):
    """How the language model answers."""

    AUTO = "auto"
    """By probabilities where the model tells them, else as text."""
    PROBABILITIES = "probabilities"
    """By the probability of each answer; only so there is an AUC."""
    TEXT = "text"
    """As JSON, held to a schema where the model can be."""


@dataclass
class QuestionsConfig:
    """What all scorers that ask about texts have in common."""

    template: ClassVar[str]
    """The name of the built-in prompt."""

    answers: AnswersAs = AnswersAs.AUTO
    """How the language model answers."""
    prompt: str | None = None
    """File with the prompt's template; null takes the built-in one."""
    chat: bool = False
    """Where answers are probabilities: send the instructions as messages, through the chat template, instead of as
    plain text."""
    examples: int = 3
    """Invented units with questions and answers that are shown first, at most 3."""
    window: int | None = None
    """Tokens around the peak that are shown; null shows whole sequences, and so all that the unit saw."""
    positives: list[str] = field(default_factory=lambda: list(WHOLE_RECORDS))
    """Kinds of records to take texts that fire from, in turn: `top`, `quantile` (every bin), `importance`,
    `beginnings` (of all of these and of random records, up to the first token that fires; every second turn)."""
    minimum_mass: float = 1e-4
    """A question whose answers hold less probability than this together counts as unparsable."""
    n_bootstrap: int = 1000
    """Resamples of the documents for the 95 % intervals; 0 leaves the intervals out."""
    n_permutations: int = 200
    """Permutations behind the floor `shuffled`; 0 leaves the floor out."""
    seed: int = 0
    """Of the choice and order of the questions, of the resamples and of the permutations."""

    def check(self) -> None:
        """Refuses values that mean nothing.

        Raises:
            ConfigError: Names the field.
        """
        check_prompt(self.template, self.prompt)
        for name in ("n_bootstrap", "n_permutations", "seed", "examples"):
            _at_least(self, name, 0)
        if self.window is not None:
            _at_least(self, "window", 1)
        if not 0 <= self.minimum_mass < 1:
            raise ConfigError(
                f"minimum_mass is {self.minimum_mass}.", known="minimum_mass is a probability from 0 to below 1."
            )
        unknown = [kind for kind in self.positives if kind not in KINDS_OF_POSITIVES]
        if unknown or not self.positives:
            raise ConfigError(
                f"positives is {self.positives}.", known=f"The kinds are {', '.join(KINDS_OF_POSITIVES)}."
            )


@dataclass
class YesNoConfig(QuestionsConfig):
    """Questions about one text each, with the answers yes and no."""

    n_positives: int = 20
    """Questions to which the answer is yes."""
    n_negatives: int = 20
    """Questions to which the answer is no; where there are too few of either, both are cut in proportion."""
    min_each: int = 4
    """With fewer questions than this of either answer there is no score."""
    per_request: int = 5
    """Questions in one request."""

    def check(self) -> None:
        """As `QuestionsConfig.check`."""
        super().check()
        for name in ("n_positives", "n_negatives", "min_each", "per_request"):
            _at_least(self, name, 1)
        if self.min_each > min(self.n_positives, self.n_negatives):
            raise ConfigError(
                f"min_each is {self.min_each}.",
                known=f"{self.n_positives} positives and {self.n_negatives} negatives are asked about.",
                remedy="Give no more than are asked about.",
            )


@dataclass
class DetectionConfig(YesNoConfig):
    """Does the unit fire on this text?"""

    template: ClassVar[str] = "detection"

    positives: list[str] = field(default_factory=lambda: list(KINDS_OF_POSITIVES))
    """As in `QuestionsConfig`."""
    negatives: Any = field(default_factory=lambda: ["random", "neighbours", "beginnings"])
    """Where texts come from on which the unit does not fire, in turn."""


@dataclass
class FuzzingConfig(YesNoConfig):
    """Does the unit fire on the marked tokens?"""

    template: ClassVar[str] = "fuzzing"


@dataclass
class WhichConfig(QuestionsConfig):
    """Questions about several texts, one of which is meant."""

    n_questions: int = 20
    """Questions, each of which is a request."""
    min_questions: int = 4
    """With fewer questions than this there is no score."""
    n_texts: int = 5
    """Texts in a question, at most 9."""
    marked: bool = True
    """Mark tokens in every text: those on which the unit fires, and as many others where it does not fire."""

    def check(self) -> None:
        """As `QuestionsConfig.check`."""
        super().check()
        for name in ("n_questions", "min_questions"):
            _at_least(self, name, 1)
        if self.min_questions > self.n_questions:
            raise ConfigError(
                f"min_questions is {self.min_questions}.", known=f"{self.n_questions} questions are asked."
            )
        if not 2 <= self.n_texts <= MOST_TEXTS:
            raise ConfigError(f"n_texts is {self.n_texts}.", known=f"n_texts is from 2 to {MOST_TEXTS}.")


@dataclass
class IntruderConfig(WhichConfig):
    """Which text does not belong to the others?"""

    template: ClassVar[str] = "intruder"

    with_explanation: bool = False
    """Show the explanation. Without it, as in the literature, what is measured is the unit and not the explanation."""
    negatives: Any = field(default_factory=lambda: ["random"])
    """Where intruders come from, in turn."""


@dataclass
class DiscriminationConfig(WhichConfig):
    """Which text is this unit's, and not a similar unit's?"""

    template: ClassVar[str] = "discrimination"

    negatives: Any = field(default_factory=lambda: ["neighbours"])
    """Where the other texts come from, in turn."""


def _at_least(config: Any, name: str, least: int) -> None:
    if getattr(config, name) < least:
        raise ConfigError(f"{name} is {getattr(config, name)}.", remedy=f"Give {least} or more.")
