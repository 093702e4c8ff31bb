"""The keys of samples weighted by importance."""

from __future__ import annotations

import numpy as np

from neurogloss.reducers.compiled import compiled


@compiled
def importance_keys(
    hashed: np.ndarray, unit_salts: np.ndarray, maxima: np.ndarray, low: int, high: int, keys: np.ndarray
) -> None:
    """Writes the keys of the units `[low, high)`, float32 [unit seq]; the highest are the sample.

    Weighted reservoir sampling (Efraimidis and Spirakis 2006, "Weighted random sampling with a
    reservoir", algorithm A-Res): the highest `u ** (1 / weight)` win, here as `log(u) / weight`. `u` is a
    seeded hash of sequence and unit, which `seeded_hash.hashes` gives as well. A maximum of 0 or less has
    weight 0: minus infinity.
    """
    for unit in range(low, high):
        for i in range(len(hashed)):
            x = hashed[i] ^ unit_salts[unit]
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x = x ^ (x >> np.uint64(31))
            uniform = (np.float64(x >> np.uint64(12)) + 0.5) * 2.0**-52
            weight = maxima[unit, i]
            keys[unit, i] = np.float32(np.log(uniform) / weight) if weight > 0 else -np.float32(np.inf)
