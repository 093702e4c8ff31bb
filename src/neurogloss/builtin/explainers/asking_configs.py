"""Configurations of the explainers that ask a language model once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from neurogloss.builtin.prompts.checking import check_prompt
from neurogloss.errors import ConfigError


def at_least(config: Any, low: float, *names: str) -> None:
    """Raises `ConfigError` where a field is below `low`; null passes."""
    for name in names:
        value = getattr(config, name)
        if value is not None and value < low:
            raise ConfigError(f"{name} is {value}.", known=f"{name} is at least {low:g}.")


@dataclass
class ListingConfig:
    """The tokens with the highest mean activation over the explain split, shown beside what else is shown."""

    tokens: int = 0
    """How many tokens to list; 0 lists none."""
    min_count: int = 1
    """Tokens seen less often than this are not listed."""
    context: int = 0
    """Tokens to show before and after each listed token, from the unit's records; 0 shows none."""
    exceptions: int = 0
    """How many tokens to list that look like a listed one and do not fire."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range."""
        at_least(self, 0, "tokens", "context", "exceptions")
        at_least(self, 1, "min_count")


@dataclass
class AskingConfig:
    """What is common to explainers that are one prompt."""

    template: ClassVar[str]
    """The name of the built-in prompt, which is the explainer's own."""

    prompt: str | None = None
    """File with the prompt's template; null takes the built-in one."""
    n_records: int = 5
    """Top records to show."""
    min_records: int = 1
    """With fewer firing records than this the unit is not explained."""
    window: int | None = None
    """Show only this many tokens around each record's maximum; null shows whole records."""
    samples: int = 1
    """Explanations to draw."""
    temperature: float | None = None
    """Null is 0 for a single sample and 1 for several."""
    max_tokens: int = 60
    """Longest reply, in the language model's tokens."""
    seed: int = 0
    """Of the first sample; each further sample adds 1."""
    listing: ListingConfig = field(default_factory=ListingConfig)
    """Tokens by mean activation, to show besides."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range or a prompt that is no template."""
        check_prompt(self.template, self.prompt)
        at_least(self, 1, "n_records", "min_records", "window", "samples", "max_tokens")
        at_least(self, 0, "temperature")


@dataclass
class TokenActivationConfig(AskingConfig):
    """Prose from tokens shown with their levels."""

    template: ClassVar[str] = "token_activation"

    examples: int | None = None
    """Few-shot examples to show before the unit; null shows all. A model of a hundred million parameters
    answers with the last example, so 0 suits it."""
    repeat_below: float = 0.2
    """Non-zero tokens are repeated under the records when their share is below this."""

    def check(self) -> None:
        """See `AskingConfig.check`."""
        super().check()
        at_least(self, 0, "examples")
        if not 0 <= self.repeat_below <= 1:
            raise ConfigError(f"repeat_below is {self.repeat_below}.", known="repeat_below is a share from 0 to 1.")


@dataclass
class MarkingConfig(AskingConfig):
    """What is common to explainers that show texts with the firing tokens marked."""

    mark_from: int = 3
    """Tokens from this level on are marked; the highest value that is shown has level 10."""

    def check(self) -> None:
        """See `AskingConfig.check`."""
        super().check()
        if not 1 <= self.mark_from <= 10:
            raise ConfigError(f"mark_from is {self.mark_from}.", known="mark_from is a level from 1 to 10.")


@dataclass
class MaxActivatingConfig(MarkingConfig):
    """Prose from texts in which the firing tokens are marked."""

    template: ClassVar[str] = "max_activating"

    n_records: int = 10
    """Top records to show."""
    window: int | None = 32
    """Show only this many tokens around each record's maximum; null shows whole records."""
    numbers: bool = False
    """Whether the levels of the marked tokens stand under each text."""
    reasoning: int = 0
    """Tokens, beyond `max_tokens`, for thinking aloud before the answer; 0 asks for the answer alone."""
    examples: int | None = None
    """Few-shot examples to show before the unit; null shows all. None is shown where the model thinks aloud."""

    def check(self) -> None:
        """See `AskingConfig.check`."""
        super().check()
        at_least(self, 0, "reasoning", "examples")


@dataclass
class TokenListConfig(AskingConfig):
    """Prose from the tokens with the highest mean activation, without the texts."""

    template: ClassVar[str] = "token_list"

    listing: ListingConfig = field(default_factory=lambda: ListingConfig(tokens=30))
    """Which tokens are listed, and with what."""

    def check(self) -> None:
        """See `AskingConfig.check`."""
        super().check()
        at_least(self.listing, 1, "tokens")


@dataclass
class ConceptsConfig(MarkingConfig):
    """Several concepts, for a unit that responds to several."""

    template: ClassVar[str] = "concepts"

    n_records: int = 10
    """Top records to show."""
    n_lower: int = 10
    """Importance-weighted records to show besides: further concepts may fire less. Each record is shown once."""
    window: int | None = 32
    """Show only this many tokens around each record's maximum; null shows whole records."""
    max_concepts: int = 3
    """Most concepts to name."""
    max_tokens: int = 200
    """Longest reply, in the language model's tokens."""

    def check(self) -> None:
        """See `AskingConfig.check`."""
        super().check()
        at_least(self, 0, "n_lower")
        at_least(self, 1, "max_concepts")


@dataclass
class ContrastiveConfig(MarkingConfig):
    """Prose from texts on which the unit fires, against texts on which it does not."""

    template: ClassVar[str] = "contrastive"

    n_records: int = 8
    """Top records to show."""
    window: int | None = 32
    """Show only this many tokens around each record's maximum; null shows whole records."""
    negatives: Any = "neighbours"
    """Where the texts come from on which the unit does not fire; of several, one text of each in turn."""
    n_negatives: int = 8
    """How many of them to show."""

    def check(self) -> None:
        """See `AskingConfig.check`."""
        super().check()
        at_least(self, 1, "n_negatives")


@dataclass
class SummaryConfig(AskingConfig):
    """Prose from a short prompt: plain texts, and under each what fires in it."""

    template: ClassVar[str] = "summary"

    list_from: int = 1
    """Tokens from this level on are listed; the highest value that is shown has level 10."""

    def check(self) -> None:
        """See `AskingConfig.check`."""
        super().check()
        if not 1 <= self.list_from <= 10:
            raise ConfigError(f"list_from is {self.list_from}.", known="list_from is a level from 1 to 10.")


@dataclass
class ActivationsAndLogitsConfig(MarkingConfig):
    """Prose from what a unit reads and what it writes."""

    template: ClassVar[str] = "activations_and_logits"

    n_records: int = 10
    """Top records to show."""
    window: int | None = 16
    """Show only this many tokens around each record's maximum; null shows whole records."""
    logits: int = 10
    """How many output tokens to show that the unit promotes, and as many that it suppresses."""

    def check(self) -> None:
        """See `AskingConfig.check`."""
        super().check()
        at_least(self, 1, "logits")
