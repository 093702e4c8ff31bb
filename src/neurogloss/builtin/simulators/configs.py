"""Configuration of the built-in simulators; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from neurogloss.builtin.prompts.checking import check_prompt
from neurogloss.errors import ConfigError
from neurogloss.interfaces.simulator import Calibration


class Mode(Enum):
    """What a token's question shows in place of the answers before it."""

    ALL_AT_ONCE = "all_at_once"
    """A placeholder, so that one pass answers every token."""
    ONE_AT_A_TIME = "one_at_a_time"
    """The most likely answers themselves."""


class Layout(Enum):
    """How tokens and their levels are written."""

    LINES = "lines"
    """One token on a line, a separator, its level: about four prompt tokens for a token."""
    COMPACT = "compact"
    """All on one line, each token followed by its level or one placeholder: two prompt tokens for a token."""


TEMPLATES = {Layout.LINES: "logprob", Layout.COMPACT: "logprob_compact"}
"""The built-in template of each layout."""


@dataclass
class LogprobConfig:
    """Levels from the log-probabilities of a language model."""

    mode: Mode = Mode.ALL_AT_ONCE
    """Ask for all tokens at once, or one at a time."""
    layout: Layout = Layout.LINES
    """How tokens and levels are written: `lines`, or `compact`, which costs half the tokens. A server that lists few
    tokens leaves more of them unanswered there."""
    sequences_per_request: int = 1
    """How many sequences one request asks about, one after the other. Instructions and examples are paid for once for
    all of them; each is read after those before it, whose levels are hidden like its own."""
    prompt: str | None = None
    """File with the prompt's template; null takes the built-in one of the layout."""
    chat: bool = False
    """Send the instructions as messages, through the chat template, instead of as plain text."""
    minimum_mass: float = 1e-4
    """A token whose levels hold less probability than this together counts as unparsable.

    Low, because a model that sees placeholders rightly expects another placeholder most of the time.
    """
    calibration: Calibration = Calibration.NONE
    """How levels are mapped onto the unit's values."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range or a prompt that is no template."""
        check_prompt(TEMPLATES[self.layout], self.prompt)
        if self.layout is Layout.COMPACT and self.mode is Mode.ONE_AT_A_TIME:
            raise ConfigError(
                "layout is compact, and mode is one_at_a_time.",
                known="Where a level follows its token directly, digits of the text and levels would run together.",
                remedy="Set layout=lines, or mode=all_at_once.",
            )
        if self.sequences_per_request < 1:
            raise ConfigError(
                f"sequences_per_request is {self.sequences_per_request}.", known="sequences_per_request is at least 1."
            )
        if self.sequences_per_request > 1 and self.mode is Mode.ONE_AT_A_TIME:
            raise ConfigError(
                f"sequences_per_request is {self.sequences_per_request}, and mode is one_at_a_time.",
                known="The answers about one sequence would be read before the next.",
                remedy="Set sequences_per_request=1, or mode=all_at_once.",
            )
        if not 0 <= self.minimum_mass < 1:
            raise ConfigError(
                f"minimum_mass is {self.minimum_mass}.", known="minimum_mass is a probability from 0 to below 1."
            )


@dataclass
class JsonConfig:
    """Levels as JSON, from a language model that tells no log-probabilities."""

    prompt: str | None = None
    """File with the prompt's template; null takes the built-in one."""
    temperature: float = 0.0
    """Sampling temperature of the reply."""
    seed: int = 0
    """Sampling seed of the reply."""
    calibration: Calibration = Calibration.NONE
    """How levels are mapped onto the unit's values."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range or a prompt that is no template."""
        check_prompt("json", self.prompt)
        if self.temperature < 0:
            raise ConfigError(f"temperature is {self.temperature}.", known="temperature is at least 0.")


@dataclass
class TableConfig:
    """Activations from a token table."""

    calibration: Calibration = Calibration.NONE
    """How the table's means are mapped onto the unit's values."""


@dataclass
class RulesConfig:
    """Activations from rules."""

    calibration: Calibration = Calibration.NONE
    """How what the rules give is mapped onto the unit's values."""
