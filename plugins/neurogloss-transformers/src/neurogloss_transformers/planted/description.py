"""What is planted: token classes, heads that move them, neurons that compute on them.

All that flows is bits, *features*, each true or false at a token: a token class, `first` (the first token
of a sequence), what a head moved (`before.water`: head `before` moved the class `water` here), and a neuron
that others read. Knows neither torch nor weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

FIRST = "first"
"""True at the first token of a sequence, which is BOS in every collection."""

Attends = Literal["previous", "last"]
Rule = Literal["all", "any", "weights"]


@dataclass(frozen=True)
class Condition:
    """A feature, or that it is false: `water`, `not water`."""

    feature: str
    negated: bool = False


@dataclass(frozen=True)
class Head:
    """An attention head that attends to one token and moves features from there."""

    name: str
    layer: int
    index: int
    """Its number in the layer."""
    attends: Attends
    """`previous`: to the token before; the first token to itself. `last`: to the token, up to this one, where
    most pairs of `query` here and `key` there hold both; of several the last; the first token of the
    sequence where no other is better than it."""
    query: tuple[Condition, ...]
    """Conditions at the token that attends; empty: they hold everywhere."""
    key: tuple[Condition, ...]
    """Conditions at the token attended to; as many as in `query`, if that is not empty."""
    moves: tuple[str, ...]
    """The features that it brings; `moves[i]` arrives as the feature `NAME.FEATURE`."""

    @property
    def features(self) -> tuple[str, ...]:
        """What it writes."""
        return tuple(f"{self.name}.{feature}" for feature in self.moves)

    @property
    def read(self) -> tuple[str, ...]:
        """The features that it looks at, sorted."""
        return tuple(sorted({c.feature for c in self.query + self.key} | set(self.moves)))


@dataclass(frozen=True)
class Formula:
    """From features to a number at each token.

    `all`: 1 where all conditions hold, else 0; `any`: how many conditions hold; `weights`: relu(bias + the
    sum of the weights of those that hold).
    """

    rule: Rule
    conditions: tuple[Condition, ...]
    weights: tuple[float, ...]
    """As many as conditions; 1 unless the rule is `weights`."""
    bias: float = 0.0

    @property
    def read(self) -> tuple[str, ...]:
        """The features that it looks at, sorted."""
        return tuple(sorted({condition.feature for condition in self.conditions}))


@dataclass(frozen=True)
class Claim:
    """A text that is said of a neuron, and what it means."""

    text: str
    formula: Formula | None
    """`None` where the description does not tell."""


@dataclass(frozen=True)
class Neuron:
    """An MLP neuron; its value is `scale` times what its formula gives."""

    name: str
    layer: int
    index: int
    """Its number in the layer: the unit is `layers.LAYER.mlp/INDEX`."""
    formula: Formula
    scale: float
    explanation: str
    paraphrases: tuple[str, ...]
    false_explanations: tuple[Claim, ...]
    """From the nearest to the farthest."""

    @property
    def read(self) -> tuple[str, ...]:
        """The features that it looks at, sorted."""
        return self.formula.read


@dataclass(frozen=True)
class Description:
    """A whole planted transformer."""

    classes: dict[str, tuple[str, ...]]
    """The words of each token class; a word may be in several."""
    heads: tuple[Head, ...]
    """In the order of the data: by layer, then by number."""
    neurons: tuple[Neuron, ...]
    """In the order of the data: by layer, then by number."""
    n_layers: int
    n_positions: int
    """The longest sequence, BOS included."""
    sha256: str
    """Of the file's text."""

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words of all classes, in the order of their first mention."""
        return tuple(dict.fromkeys(word for words in self.classes.values() for word in words))

    @cached_property
    def units(self) -> dict[str, Head | Neuron]:
        """Heads and neurons by name, in the order of the data: in a layer, heads come first."""
        every: list[Head | Neuron] = [*self.heads, *self.neurons]
        every.sort(key=lambda unit: (unit.layer, isinstance(unit, Neuron)))
        return {unit.name: unit for unit in every}

    @cached_property
    def writers(self) -> dict[str, str]:
        """The unit that writes each feature; classes and `first` are of the embedding, and not among them."""
        moved = {feature: head.name for head in self.heads for feature in head.features}
        return moved | {neuron.name: neuron.name for neuron in self.neurons}

    @cached_property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """The units that read each unit's output, by the name of the unit that is read."""
        edges = self.edges
        return {name: tuple(reader for reader in self.units if (name, reader) in edges) for name in self.units}

    @cached_property
    def edges(self) -> frozenset[tuple[str, str]]:
        """(unit, unit that reads it), by name."""
        return frozenset(
            (self.writers[feature], unit.name)
            for unit in self.units.values()
            for feature in unit.read
            if feature in self.writers
        )

    @cached_property
    def claims(self) -> dict[str, tuple[Formula, float]]:
        """The formula and scale of each text whose meaning is known, true ones and false ones."""
        false = [claim for neuron in self.neurons for claim in neuron.false_explanations]
        claims = {claim.text: (claim.formula, 1.0) for claim in false if claim.formula}
        for neuron in self.neurons:
            claims |= dict.fromkeys((neuron.explanation, *neuron.paraphrases), (neuron.formula, neuron.scale))
        return claims

    def neuron_at(self, layer: int, index: int) -> Neuron | None:
        """The neuron of this number, if the layer has that many."""
        return next((each for each in self.neurons if (each.layer, each.index) == (layer, index)), None)

    def is_bit(self, neuron: Neuron) -> bool:
        """Whether a neuron is only ever 0 or `scale`, so that others can read it.

        An `any` is, if it has one condition or if they are classes of one token that share no word.
        """
        conditions = neuron.formula.conditions
        if neuron.formula.rule != "any" or len(conditions) == 1:
            return neuron.formula.rule != "weights"
        places, leaves = zip(*(each.feature.rpartition(".")[::2] for each in conditions), strict=True)
        if any(each.negated for each in conditions) or len(set(places)) > 1 or set(leaves) - set(self.classes):
            return False
        words = [word for leaf in leaves for word in self.classes[leaf]]
        return len(words) == len(set(words))
