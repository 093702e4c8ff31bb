"""Explanations: what a unit is said to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from neurogloss.records.failures import Failure


@dataclass(frozen=True)
class Candidate:
    """One of several explanations of which the best on the split `valid` was taken."""

    text: str
    """Its summary; empty where there was no explanation."""
    value: float | None = None
    """The scorer's headline on `valid`."""
    failure: Failure | None = None
    """Why there is no explanation, or no value."""
    chosen: bool = False


@dataclass(frozen=True)
class Provenance:
    """Where an explanation comes from."""

    explainer: str
    """Registered name."""
    llm: str = ""
    """Identity of the language model that wrote it; empty if none did."""
    prompt_hash: str = ""
    """SHA-256 of the prompt template."""
    seed: int = 0
    sample: int = 0
    """Which of the explainer's samples this is."""
    about: str = ""
    """The unit that it was written of, where that is another than the one it is given to."""
    candidates: tuple[Candidate, ...] = ()
    """What it was chosen among, itself included, in the order in which they were made."""


@dataclass(frozen=True)
class Explanation:
    """Base of all explanations; a simulator says which types it reads."""

    provenance: Provenance

    def summary(self) -> str:
        """One line for tables and cards."""
        raise NotImplementedError


@dataclass(frozen=True)
class ProseExplanation(Explanation):
    """What makes the unit fire, in words."""

    text: str

    def summary(self) -> str:
        return self.text


@dataclass(frozen=True)
class ConceptsExplanation(ProseExplanation):
    """Several concepts on each of which the unit fires; the text joins them, so that all that read prose read it."""

    concepts: tuple[str, ...] = ()
    """Each in words, the most important first."""

    @classmethod
    def of(cls, provenance: Provenance, concepts: Sequence[str]) -> ConceptsExplanation:
        """The explanation with the text that joins its concepts."""
        return cls(provenance, "; or ".join(concepts), tuple(concepts))


@dataclass(frozen=True)
class Experiment:
    """A text that an explainer wrote, and what the unit did on it."""

    text: str
    """With marks around what fired."""
    level: int | None
    """The highest level, 10 being the largest value in the explain split; `None` if the subject reads no token."""
    fired: tuple[tuple[str, int], ...] = ()
    """The tokens that fired, with their levels."""


@dataclass(frozen=True)
class InvestigatedExplanation(ProseExplanation):
    """Prose that was written after experiments."""

    experiments: tuple[Experiment, ...] = ()
    """In the order in which they were made."""
    thoughts: tuple[str, ...] = ()
    """What the language model said before each call's experiments, and before its answer."""


@dataclass(frozen=True, eq=False)
class TokenTableExplanation(Explanation):
    """The activation to expect at each token, read from a table."""

    token_ids: np.ndarray = field(repr=False)
    """int64 [token], ascending."""
    tokens: tuple[str, ...] = field(repr=False)
    """Their texts [token]."""
    means: np.ndarray = field(repr=False)
    """float64 [token]: mean activation."""
    default: float = 0.0
    """What a token outside the table gets."""

    def summary(self) -> str:
        best = np.argsort(-self.means, kind="stable")[:5]
        shown = ", ".join(f"{self.tokens[i]!r} {self.means[i]:.2f}" for i in best)
        return f"table of {len(self.tokens)} tokens: {shown}"
