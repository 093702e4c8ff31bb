"""Configurations of the explainers that ask nobody, ask often, or hold other explainers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from neurogloss.builtin.explainers.asking_configs import at_least
from neurogloss.builtin.prompts.checking import check_prompt
from neurogloss.errors import ConfigError


@dataclass
class TokenTableConfig:
    """The mean activation of each token, over the whole explain split."""

    min_count: int = 1
    """Tokens seen less often than this get the mean over all tokens."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range."""
        at_least(self, 1, "min_count")


@dataclass
class ExecutableConfig:
    """Rules on tokens and what stands before them, learned from the records alone."""

    max_rules: int = 20
    """The most rules a unit gets."""
    max_tokens: int = 100
    """The most tokens or words that one rule may list; twelve of them are shown."""
    context: int = 1
    """How many tokens before a token its rules may look at."""
    penalty: float = 0.2
    """A rule, and each thing it names, must lower the sum of squared errors by this many times the variance
    among equal tokens; rules that look at tokens before, 75 times that. Units without any such variance are fitted
    exactly, whatever it is."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range."""
        at_least(self, 1, "max_rules", "max_tokens")
        at_least(self, 0, "context", "penalty")


@dataclass
class BestOfConfig:
    """The best of several explanations, chosen on the split `valid`."""

    of: Any = None
    """The explainer; it gives as many candidates as its `samples` say. A list of explainers competes together.

    Null takes `token_activation` with five samples. (As a default, a mapping would be merged with the
    one that is given, and refuse its keys.)
    """
    by: Any = "simulation"
    """The scorer that chooses."""

    def check(self) -> None:
        """Puts the default in the place of null; raises `ConfigError` where the scorer is a list."""
        if self.of is None:
            self.of = {"component": "token_activation", "samples": 5}
        if isinstance(self.by, list):
            raise ConfigError("by is a list.", remedy="Give one scorer.")


@dataclass
class ReviseConfig:
    """An explanation that is shown its own errors, several times over."""

    prompt: str | None = None
    """File with the template that asks for a revision; null takes the built-in one."""
    of: Any = "token_activation"
    """The explainer that proposes; its first explanation is revised."""
    by: Any = "simulation"
    """The scorer that simulates on `valid`: its simulations are where the errors are read from."""
    n_rounds: int = 3
    """How often to revise."""
    n_errors: int = 5
    """Texts to show where the unit fires and the simulation does not, and as many of the opposite."""
    window: int = 24
    """Show only this many tokens around each error."""
    least_error: int = 3
    """Differences of fewer levels than this, of 10, are no errors."""
    temperature: float = 0.0
    """Sampling temperature of the revisions."""
    max_tokens: int = 80
    """Longest reply, in the language model's tokens."""
    seed: int = 0
    """Of the first revision; each further one adds 1."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range or a prompt that is no template."""
        check_prompt("revise", self.prompt)
        for name in ("of", "by"):
            if isinstance(getattr(self, name), list):
                raise ConfigError(f"{name} is a list.", remedy="Give one component.")
        at_least(self, 1, "n_rounds", "n_errors", "window", "least_error", "max_tokens")
        at_least(self, 0, "temperature")


@dataclass
class InvestigateConfig:
    """Prose from experiments: the language model writes texts, and sees what the unit does on them."""

    prompt: str | None = None
    """File with the prompt's template; null takes the built-in one."""
    n_records: int = 5
    """Top records to begin with."""
    window: int | None = 24
    """Show only this many tokens around each record's maximum; null shows whole records."""
    mark_from: int = 3
    """Tokens from this level on are marked; the largest value in the explain split has level 10."""
    max_calls: int = 5
    """The most replies of the language model for a unit, the last of which must be the answer."""
    max_texts: int = 20
    """The most texts the subject is run on for a unit."""
    texts_per_call: int = 6
    """Texts to ask for at once."""
    max_characters: int = 400
    """Longer texts are cut."""
    temperature: float = 0.0
    """Sampling temperature of the replies."""
    max_tokens: int = 400
    """Longest reply, in the language model's tokens."""
    seed: int = 0
    """Of the first reply; each further one adds 1."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range or a prompt that is no template."""
        check_prompt("investigate", self.prompt)
        at_least(self, 1, "n_records", "window", "max_calls", "max_texts", "texts_per_call")
        at_least(self, 1, "max_characters", "max_tokens")
        at_least(self, 0, "temperature")
        if not 1 <= self.mark_from <= 10:
            raise ConfigError(f"mark_from is {self.mark_from}.", known="mark_from is a level from 1 to 10.")


@dataclass
class RandomTextConfig:
    """A null: a gloss that has nothing to do with the unit."""

    seed: int = 0
    """Another seed gives the units other glosses."""


@dataclass
class WrittenConfig:
    """What a person wrote: one text for every unit, or a file with a text for each."""

    text: str | None = None
    """The text."""
    file: str | None = None
    """A YAML or JSON file that maps units to texts: `layers.5.mlp/12: names of ships`."""

    def check(self) -> None:
        """Raises `ConfigError` unless there is exactly one of text and file, and the file can be read."""
        from neurogloss.builtin.explainers.written import read_texts

        if (self.text is None) == (self.file is None):
            raise ConfigError(
                "text is null, and so is file." if self.text is None else "text and file are both given.",
                remedy="Give one: explainer.text='...' or explainer.file=FILE",
            )
        if self.text is not None and not self.text.strip():
            raise ConfigError("text is empty.")
        if self.file is not None:
            read_texts(self.file)


class Which(Enum):
    """Which other unit."""

    SEEDED = "seeded"
    """The one with the smallest seeded hash."""
    FARTHEST = "farthest"
    """The one whose values are least like the unit's."""
    NEAREST = "nearest"
    """The one whose values are most like the unit's: the hardest of these nulls."""


@dataclass
class OtherUnitConfig:
    """A null: the gloss of another unit."""

    of: Any = "token_activation"
    """The explainer that is shown the other unit."""
    which: Which = Which.SEEDED
    """`seeded`, `farthest` or `nearest`."""
    among: int = 100
    """The other unit is one of this many units of the collection, those most like the unit."""
    seed: int = 0
    """Another seed gives other units."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range."""
        if isinstance(self.of, list):
            raise ConfigError("of is a list.", remedy="Give one explainer.")
        at_least(self, 1, "among")
