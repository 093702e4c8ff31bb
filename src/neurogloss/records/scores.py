"""Scores: how well a simulation, or any other test of an explanation, came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Measure:
    """A number with its interval."""

    value: float | None
    """`None` where it is not defined, such as the correlation with constant true values."""
    low: float | None = None
    """Lower end of the 95 % bootstrap interval over documents."""
    high: float | None = None
    insensitive_to: tuple[str, ...] = ()
    """Faults of an explanation that the number does not notice, such as `extra labels`."""


@dataclass(frozen=True)
class Score:
    """One scorer's verdict on one explanation of one unit."""

    scorer: str
    """The name under which the run holds the scorer."""
    headline: str
    """The key in `measures` that stands in tables."""
    measures: Mapping[str, Measure]
    """Such as `correlation.top_and_random`."""
    floors: Mapping[str, float] = field(default_factory=dict)
    """What a null reaches on the same items, by the null's name."""
    ceiling: float | None = None
    """The best headline value that the method allows."""
    n_asked: int = 0
    n_answered: int = 0
    n_unparsable: int = 0
    n_failed: int = 0
    flags: tuple[str, ...] = ()
    """What a reader must know beside the number, such as `constant simulation`."""

    @property
    def value(self) -> float | None:
        """The headline value."""
        return self.measures[self.headline].value
