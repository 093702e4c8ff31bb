"""Configurations of the negatives."""

from __future__ import annotations

from dataclasses import dataclass

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
