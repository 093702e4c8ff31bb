"""`OutputWeights`: what a subject's units write into the residual stream."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class OutputWeights(ABC):
    """Ability of a subject to tell the directions that its units write."""

    @abstractmethod
    def output_directions(self, site: str, indices: np.ndarray) -> np.ndarray:
        """The direction in the residual stream that each unit adds to, times its activation.

        Args:
            site: Where the units are.
            indices: Which, int64 [unit].

        Returns:
            float32 [unit d], not normalised; `d` is the same at every site of the subject.

        Raises:
            SubjectError: An unknown site or unit, or units that write no direction.
        """
