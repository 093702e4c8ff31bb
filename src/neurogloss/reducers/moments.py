"""Moments of a unit's activations over all counted tokens."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_NAMES = ("n", "moments", "minimum", "maximum", "firing", "firing_sequences", "first_position")


class Moments:
    """Mean, central moments, extremes and firing counts per unit.

    Sequences are merged with the pairwise formulas of Chan, Golub and LeVeque (1979) as Pébay (2008,
    "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order
    statistical moments") extends them to the fourth order: in float64, from float32 sums over one sequence.

    Args:
        n_units: Units at the site.
    """

    def __init__(self, n_units: int) -> None:
        self.n = np.array(0)
        """Counted tokens: the same for every unit."""
        self.moments = np.zeros((4, n_units))
        """float64 [4 unit]: the mean, and the sums of the deviations' 2nd to 4th powers."""
        self.minimum = np.full(n_units, np.inf, dtype=np.float32)
        self.maximum = np.full(n_units, -np.inf, dtype=np.float32)
        self.firing = np.zeros(n_units, dtype=np.int64)
        """Tokens with a value above 0."""
        self.firing_sequences = np.zeros(n_units, dtype=np.int64)
        self.first_position = np.zeros(n_units, dtype=np.int64)
        """Firing sequences whose maximum lies at position 0."""

    def merge(self, other: Moments) -> None:
        """Takes in the moments of other tokens."""
        na, nb = int(self.n), int(other.n)
        if nb:
            n = na + nb
            mean, m2, m3, m4 = self.moments
            mean_b, m2_b, m3_b, m4_b = other.moments
            delta = mean_b - mean
            step = delta / n
            m4 += m4_b + delta * step**3 * (float(na) * nb * (float(na) * na - float(na) * nb + float(nb) * nb))
            m4 += 6 * step**2 * (float(na) ** 2 * m2_b + float(nb) ** 2 * m2) + 4 * step * (na * m3_b - nb * m3)
            m3 += m3_b + delta * step**2 * (float(na) * nb * (na - nb)) + 3 * step * (na * m2_b - nb * m2)
            m2 += m2_b + delta * step * (float(na) * nb)
            mean += step * nb
            self.n = np.array(n)
        self.minimum = np.minimum(self.minimum, other.minimum)
        self.maximum = np.maximum(self.maximum, other.maximum)
        self.firing += other.firing
        self.firing_sequences += other.firing_sequences
        self.first_position += other.first_position

    def statistics(self) -> dict[str, np.ndarray]:
        """The fields of `UnitStatistics` that moments give, float64 [unit] each."""
        n = max(1, int(self.n))
        mean, m2, m3, m4 = self.moments
        # A constant unit's deviations are rounding errors, and their ratios would be noise.
        varies = self.maximum > self.minimum
        variance = np.where(varies, m2 / n, 0.0)
        spread = np.where(variance > 0, variance, 1.0)
        return {
            "mean": mean,
            "variance": variance,
            "skewness": np.where(variance > 0, m3 / n / spread**1.5, 0.0),
            "kurtosis": np.where(variance > 0, m4 / n / spread**2 - 3, 0.0),
            "minimum": self.minimum.astype(np.float64),
            "maximum": self.maximum.astype(np.float64),
            "firing_fraction": self.firing / n,
            "first_position_share": self.first_position / np.maximum(1, self.firing_sequences),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The state."""
        return {name: getattr(self, name) for name in _NAMES}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Puts a state from `arrays` in place of this one's."""
        for name in _NAMES:
            setattr(self, name, np.array(arrays[name]))
