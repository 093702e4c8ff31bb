"""Configurations of the negatives."""

from __future__ import annotations

from dataclasses import dataclass

from neurogloss.errors import ConfigError


@dataclass
class RandomNegativesConfig:
    """Any text on which the unit does not fire."""


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
