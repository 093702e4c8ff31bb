"""Activation records and their levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neurogloss.records.tokens import TokenSequence


def levels(values: np.ndarray, maximum: float, top: int = 10) -> np.ndarray:
    """Rounds activations down to `0..top`: `min(L, floor(L * relu(x) / max))`.

    Source: Bills et al. 2023, "Language models can explain neurons in language models".

    Args:
        values: Activations of any shape.
        maximum: The activation that counts as the top level; at most 0 gives 0 everywhere.
        top: The highest level L.

    Returns:
        int64, the shape of `values`.
    """
    if maximum <= 0:
        return np.zeros(np.shape(values), dtype=np.int64)
    scaled = np.floor(top * np.maximum(np.asarray(values, dtype=np.float64), 0) / maximum)
    return np.minimum(top, scaled).astype(np.int64)


@dataclass(frozen=True, eq=False)
class ActivationRecord:
    """The tokens of one sequence and one unit's value at each, its polarity applied."""

    sequence: TokenSequence
    values: np.ndarray
    """float32 [pos]"""
    counted: np.ndarray
    """bool [pos]: tokens that may be explained and scored."""

    @cached_property
    def maximum(self) -> float:
        """The largest counted value; minus infinity if none counts."""
        return float(self.values[self.counted].max(initial=-np.inf))

    @property
    def peak(self) -> int:
        """The position of the largest counted value (the first of equals)."""
        return int(np.argmax(np.where(self.counted, self.values, -np.inf)))

    @cached_property
    def piece_values(self) -> np.ndarray:
        """The largest value in each of the sequence's pieces [piece], read-only; uncounted ones are 0."""
        found = self.sequence.parts.most(np.where(self.counted, self.values, 0.0))
        found.setflags(write=False)
        return found

    def centred(self, width: int) -> ActivationRecord:
        """The `width` tokens around the peak, shifted, not shortened, at the sequence's edges."""
        # Kept, as are its pieces and their values: most of what reads a record reads this part of it.
        if width not in self._centred:
            self._centred[width] = self.window(max(0, min(self.peak - width // 2, len(self.values) - width)), width)
        return self._centred[width]

    @cached_property
    def _centred(self) -> dict[int, ActivationRecord]:
        return {}

    def window(self, start: int, width: int) -> ActivationRecord:
        """The `width` tokens from `start` on, or what there is of them.

        The values stay those computed with the whole sequence as context.
        """
        part = slice(start, min(len(self.values), start + width))
        return ActivationRecord(self.sequence.window(part.start, part.stop), self.values[part], self.counted[part])
