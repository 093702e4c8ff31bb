"""Configuration of the built-in explainers; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

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
        from neurogloss.builtin.prompts.rendering import Prompt

        Prompt(self.template, self.prompt)
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
    penalty: float = 1.0
    """A rule, and each thing it names, must lower the sum of squared errors by this many times the variance
    among equal tokens; rules that look at tokens before, thirty times that. Units without any such variance are fitted
    exactly, whatever it is."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range."""
        at_least(self, 1, "max_rules", "max_tokens")
        at_least(self, 0, "context", "penalty")


def _samples() -> dict[str, Any]:
    return {"component": "token_activation", "samples": 5}


@dataclass
class BestOfConfig:
    """The best of several explanations, chosen on the split `valid`."""

    of: Any = field(default_factory=_samples)
    """The explainer; it gives as many candidates as its `samples` say. A list of explainers competes together."""
    by: Any = "simulation"
    """The scorer that chooses."""

    def check(self) -> None:
        """Raises `ConfigError` where the scorer is a list."""
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
        from neurogloss.builtin.prompts.rendering import Prompt

        Prompt("revise", self.prompt)
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
        from neurogloss.builtin.prompts.rendering import Prompt

        Prompt("investigate", self.prompt)
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
