"""Configurations of the embedders."""

from __future__ import annotations

from dataclasses import dataclass

from neurogloss.errors import ConfigError


@dataclass
class HashedWordsConfig:
    """Texts by the words they hold, without a model: the same word is near, the same meaning is not."""

    dimensions: int = 1024
    """How many numbers a vector has; of two different words, one in as many falls together."""

    def check(self) -> None:
        """Refuses values that mean nothing.

        Raises:
            ConfigError: Names the field.
        """
        if self.dimensions < 2:
            raise ConfigError(f"dimensions is {self.dimensions}.", remedy="Give 2 or more.")
