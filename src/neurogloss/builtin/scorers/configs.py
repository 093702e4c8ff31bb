"""Configurations of the scorers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from neurogloss.builtin.prompts.checking import check_prompt
from neurogloss.builtin.scorers.questions.configs import KINDS_OF_POSITIVES, QuestionsConfig
from neurogloss.errors import ConfigError


@dataclass
class SimulationScorerConfig:
    """How explanations are scored by simulation."""

    n_top: int = 5
    """Top records to score on."""
    n_random: int = 5
    """Random records to score on."""
    min_records: int = 4
    """With fewer records than this in the split there is no score."""
    n_bootstrap: int = 1000
    """Resamples of the documents for the 95 % intervals; 0 leaves the intervals out."""
    n_permutations: int = 200
    """Permutations behind the floor `shuffled`; 0 leaves the floor out."""
    seed: int = 0
    """Of the resamples and permutations."""

    def check(self) -> None:
        """Refuses values that mean nothing.

        Raises:
            ConfigError: Names the field.
        """
        for name in ("n_top", "n_random", "n_bootstrap", "n_permutations", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}.", remedy="Give 0 or more.")
        if not 1 <= self.min_records <= self.n_top + self.n_random:
            raise ConfigError(
                f"min_records is {self.min_records}.",
                known=f"n_top + n_random is {self.n_top + self.n_random}.",
                remedy="Give at least 1, and no more than are scored.",
            )


@dataclass
class ResamplingConfig:
    """How certain a score is, and what chance would get."""

    n_bootstrap: int = 1000
    """Resamples of the documents for the 95 % intervals; 0 leaves the intervals out."""
    n_permutations: int = 200
    """Permutations behind the floor `shuffled`; 0 leaves the floor out."""
    seed: int = 0
    """Of all that is drawn."""

    def check(self) -> None:
        """Refuses values that mean nothing.

        Raises:
            ConfigError: Names the field.
        """
        for name in ("n_bootstrap", "n_permutations", "seed"):
            _at_least(self, name, 0)


@dataclass
class TextsConfig(ResamplingConfig):
    """Texts on which the unit fires, and texts on which it does not."""

    n_positives: int = 20
    """Texts on which the unit fires, one of each kind of record in turn."""
    n_negatives: int = 20
    """Texts on which it does not, one of each kind of negatives in turn."""
    min_each: int = 4
    """With fewer texts than this of either there is no score."""
    negatives: Any = field(default_factory=lambda: ["random"])
    """Where texts come from on which the unit does not fire."""

    def check(self) -> None:
        """As `ResamplingConfig.check`."""
        super().check()
        _at_least(self, "min_each", 1)
        for name in ("n_positives", "n_negatives"):
            _at_least(self, name, self.min_each)


@dataclass
class EmbeddingScorerConfig(TextsConfig):
    """Is the explanation nearer in meaning to the texts on which the unit fires?"""

    embedder: Any = "sentence_transformers"
    """What turns texts into vectors: an embedder's name, or a mapping with `component` and its keys."""


@dataclass
class SurprisalConfig(TextsConfig):
    """Does the explanation make the texts on which the unit fires more likely than others?"""

    prompt: str | None = None
    """File with the template of what stands before a text; null takes the built-in one."""
    n_unrelated: int = 3
    """Glosses that have nothing to do with any unit, whose mean the explanation is compared with; with 0 it is
    compared with the same line without an explanation."""

    def check(self) -> None:
        """As `TextsConfig.check`."""
        super().check()
        check_prompt("surprisal", self.prompt)
        _at_least(self, "n_unrelated", 0)


@dataclass
class GenerateThenActivateConfig(ResamplingConfig):
    """Does the unit fire on texts that a language model wrote to make it fire?"""

    prompt: str | None = None
    """File with the prompt's template; null takes the built-in one."""
    n_texts: int = 10
    """Texts to write that should fire the unit; as many that should not."""
    min_each: int = 4
    """With fewer texts than this of either there is no score."""
    n_natural: int = 100
    """Sequences of the split that the texts are compared with."""
    temperature: float = 0.0
    """Of the language model."""

    def check(self) -> None:
        """As `ResamplingConfig.check`."""
        super().check()
        check_prompt("generate_then_activate", self.prompt)
        _at_least(self, "min_each", 1)
        _at_least(self, "temperature", 0)
        for name in ("n_texts", "n_natural"):
            _at_least(self, name, self.min_each)


@dataclass
class StabilityConfig:
    """Does the explainer say the same of the unit when it sees other records?"""

    explainer: Any = "token_activation"
    """Who explains again; the run's own, with its keys, if the number is to be about it."""
    embedder: Any = "sentence_transformers"
    """What tells how alike two explanations are."""
    n_resamples: int = 4
    """Halves of the explain split, each explained once."""
    min_resamples: int = 2
    """With fewer further explanations than this there is no score."""
    seed: int = 0
    """Of the halves."""

    def check(self) -> None:
        """Refuses values that mean nothing.

        Raises:
            ConfigError: Names the field.
        """
        _at_least(self, "min_resamples", 1)
        _at_least(self, "n_resamples", self.min_resamples)
        _at_least(self, "seed", 0)


@dataclass
class NaturalConfig(QuestionsConfig):
    """Does the unit fire where what the explanation says occurs in natural text, and nowhere else?"""

    template: ClassVar[str] = "natural"

    positives: list[str] = field(default_factory=lambda: list(KINDS_OF_POSITIVES))
    """As in `QuestionsConfig`; with `beginnings` also those up to before the first token that fires are rated."""
    n_texts: int = 40
    """Texts that are rated, half of them records on which the unit fires."""
    min_texts: int = 8
    """With fewer rated texts than this there is no score."""
    n_pool: int = 100
    """Sequences of the split from which the other half is taken, or a quarter where there are beginnings."""
    per_request: int = 5
    """Texts in one request."""

    def check(self) -> None:
        """As `QuestionsConfig.check`."""
        super().check()
        for name in ("min_texts", "per_request", "n_pool"):
            _at_least(self, name, 1)
        _at_least(self, "n_texts", self.min_texts)


def _at_least(config: Any, name: str, least: int) -> None:
    if getattr(config, name) < least:
        raise ConfigError(f"{name} is {getattr(config, name)}.", remedy=f"Give {least} or more.")
