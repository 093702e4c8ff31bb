"""`Question`: what is shown of a unit, and the true answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Question:
    """One question about a unit."""

    texts: tuple[str, ...]
    """What is shown: one text to say yes or no to, or several to choose from."""
    answer: int
    """1 for yes and 0 for no, or the place of the text that is meant."""
    groups: tuple[str, ...]
    """What each text is: `top`, `importance`, `quantile.BIN` or `negatives.KIND`."""
    document_id: str
    """The document of the text that is asked for."""


@dataclass(frozen=True)
class Questionnaire:
    """All questions about a unit: the same for every explanation of it."""

    questions: tuple[Question, ...]
    """In the order in which they are asked."""
    flags: tuple[str, ...] = ()
    """What a reader must know of them."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """What the prompt shows besides."""
