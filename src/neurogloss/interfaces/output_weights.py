"""`OutputWeights`: what the units of a subject write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # plugins name the capability from here, and listing plugins must not wait for numpy
    import numpy as np

    from neurogloss.records.units import UnitId

OUTPUT_WEIGHTS = "output_weights"


@dataclass(frozen=True)
class OutputTokens:
    """The tokens of the vocabulary whose logits a unit moves most, as far as its weights alone tell."""

    promoted: tuple[tuple[str, float], ...]
    """Text and logit, the highest first."""
    suppressed: tuple[tuple[str, float], ...]
    """Text and logit, the lowest first."""


class OutputWeights(ABC):
    """An ability of a subject: it tells in which direction its units write, and which output tokens lie there.

    A subject that has it registers with `provides=("output_weights",)`.
    """

    @abstractmethod
    def output_directions(self, site: str, indices: np.ndarray) -> np.ndarray:
        """What each unit adds to the residual stream when its activation is 1.

        Args:
            site: Where the units are.
            indices: int64 [unit].

        Returns:
            float32 [unit d], in the order of the indices, for the positive polarity. A norm that the
            model puts between the unit and the stream counts with its gain, and not with its scale.

        Raises:
            SubjectError: An unknown site, an index beyond its units, or a site that does not write there.
        """

    @abstractmethod
    def output_tokens(self, unit: UnitId, n: int) -> OutputTokens:
        """The `n` output tokens that a unit promotes most, and the `n` that it suppresses most.

        A token's logit is the product of the unit's direction, the gain of the final norm and the
        token's unembedding, times the polarity: `W_out[unit] * diag(g) * W_U`. Left out are what the
        final norm subtracts and divides by, and all that later layers do.
        Source: Bills et al. 2023, "Language models can explain neurons in language models".

        Raises:
            SubjectError: As for `output_directions`.
        """
