"""Exceptions on their way between processes: as values, so that they are the same ones on the other side.

Ray would wrap them, with the remote traceback in their text, where keys may be quoted.
"""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass
from typing import Any

from neurogloss.errors import NeuroglossError


@dataclass(frozen=True)
class Raised:
    """An exception in place of a result."""

    error: BaseException
    places: str
    """The lines that it came through, for --debug."""


def raised(error: BaseException) -> Raised:
    """The exception as a value; one that cannot be sent is told in words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = NeuroglossError(f"{type(error).__name__}: {error}")
    return Raised(error, "".join(traceback.format_tb(error.__traceback__)))


def result_of(outcome: Any) -> Any:
    """The result, or raises what took its place."""
    if isinstance(outcome, Raised):
        if outcome.places:
            outcome.error.add_note(f"In a worker:\n{outcome.places}")
        raise outcome.error
    return outcome
