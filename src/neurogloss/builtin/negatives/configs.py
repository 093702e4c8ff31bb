"""Configurations of the negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurogloss.errors import ConfigError


@dataclass
class RandomNegativesConfig:
    """Any text on which the unit does not fire."""


@dataclass
class BeginningNegativesConfig:
    """The beginnings of texts that fire, before the unit first does."""

    min_tokens: int = 4
    """Shorter beginnings are left out."""

    def check(self) -> None:
        """Refuses values that mean nothing.

        Raises:
            ConfigError: Names the field.
        """
        if self.min_tokens < 1:
            raise ConfigError(f"min_tokens is {self.min_tokens}.", remedy="Give 1 or more.")


@dataclass
class NeighbourNegativesConfig:
    """Texts on which the most similar units fire, and the unit does not."""

    n_neighbours: int = 5
    """How many neighbours give their top records."""

    def check(self) -> None:
        """Refuses values that mean nothing.

        Raises:
            ConfigError: Names the field.
        """
        if self.n_neighbours < 1:
            raise ConfigError(f"n_neighbours is {self.n_neighbours}.", remedy="Give 1 or more.")


@dataclass
class EmbeddingNegativesConfig:
    """Texts that mean nearly the same as those on which the unit fires."""

    embedder: Any = "sentence_transformers"
    """What tells how near two texts are: an embedder's name, or a mapping with `component` and its keys."""
    n_firing: int = 10
    """How many of the highest records a text is compared with; the nearest of them counts."""
    n_candidates: int = 100
    """Sequences of the split among which negatives are looked for."""

    def check(self) -> None:
        """Refuses values that mean nothing.

        Raises:
            ConfigError: Names the field.
        """
        for name in ("n_firing", "n_candidates"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}.", remedy="Give 1 or more.")


@dataclass
class DecoderNegativesConfig:
    """Texts on which units fire that write nearly the same, and the unit does not."""

    n_neighbours: int = 5
    """How many units give their top records."""
    n_candidates: int = 500
    """Of how many collected units, those that fire most like the unit, the directions are compared."""

    def check(self) -> None:
        """Refuses values that mean nothing.

        Raises:
            ConfigError: Names the field.
        """
        if self.n_neighbours < 1:
            raise ConfigError(f"n_neighbours is {self.n_neighbours}.", remedy="Give 1 or more.")
        if self.n_candidates < self.n_neighbours:
            raise ConfigError(
                f"n_candidates is {self.n_candidates}.",
                known=f"n_neighbours is {self.n_neighbours}.",
                remedy="Give at least as many.",
            )
