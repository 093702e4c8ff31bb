"""The seeded hashes behind every sample."""

from __future__ import annotations

import itertools

import numpy as np

from neurogloss.reducers.seeded_hash import hashes, salt, uniform


def test_seeded_hashes_are_fixed_and_even() -> None:
    # Samples in stores depend on these numbers: they must never change.
    assert hashes(np.array([0, 1, 1 << 20]), salt(0, "random")).tolist() == FIXED
    drawn = uniform(hashes(np.arange(20_000) << 20, salt(3, "x")))
    counts = np.histogram(drawn, bins=10, range=(0, 1))[0]
    assert (abs(counts - 2000) < 200).all()
    assert len({salt(a, b) for a, b in itertools.product(range(3), "xyz")}) == 9


FIXED = [3260304535157676686, 12578086168575292715, 202401720807580446]
