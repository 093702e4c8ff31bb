"""The bounded list under every sample: per unit and split, the sequences with the highest keys."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurogloss.reducers.compiled import compiled
from neurogloss.reducers.draws import NONE, SPLITS

PENDING = -(1 << 30)
"""`PENDING - i` stands for the address of the `i`-th sequence of a batch until that is written."""

_NAMES = ("keys", "rows", "addresses", "exponents")


class BestSequences:
    """Keeps, per unit and split, the `size` sequences with the highest keys, in falling order.

    Of equal keys the earlier row wins. What is kept depends on the sequences alone, so any order and any
    sharding keep the same. A key of minus infinity is never kept.

    Args:
        n_units: Units at the site.
        size: Slots per unit and split.
    """

    def __init__(self, n_units: int, size: int) -> None:
        shape = (n_units, len(SPLITS), size)
        self.keys = np.full(shape, -np.inf, dtype=np.float32)
        """float32 [unit split slot]: minus infinity where empty."""
        self.rows = np.full(shape, NONE, dtype=np.int32)
        """int32 [unit split slot]: rows in `SequenceDraws.ids`; `NONE` where empty."""
        self.addresses = np.full(shape, NONE, dtype=np.int32)
        """int32 [unit split slot]: where the values are in `ValueRows`."""
        self.exponents = np.zeros(shape, dtype=np.int8)
        """int8 [unit split slot]: the values' power of two."""

    def offer(
        self, keys: np.ndarray, rows: np.ndarray, splits: np.ndarray, needed: np.ndarray, low: int, high: int
    ) -> None:
        """Offers sequences to the lists of the units `[low, high)`.

        Args:
            keys: float32 [unit seq]
            rows: int32 [unit seq]
            splits: int64 [seq]: index into `SPLITS`, -1 for a sequence that is not offered.
            needed: uint8 [unit seq]: set to 1 where a sequence was taken in.
            low: The first unit.
            high: One past the last.
        """
        if self.keys.shape[2]:
            _offer(keys, rows, splits, low, high, self.keys, self.rows, self.addresses, self.exponents, needed)

    def settle(
        self,
        splits: np.ndarray,
        base: int,
        step: int,
        numbers: np.ndarray,
        exponents: np.ndarray,
        low: int,
        high: int,
    ) -> None:
        """Replaces pending addresses in the lists of some splits, of the units `[low, high)`.

        Args:
            splits: int64 [split]: indices into `SPLITS`.
            base: Address of number 0.
            step: From the address of one number to that of the next.
            numbers: int32 [unit seq]
            exponents: int8 [unit seq]
            low: The first unit.
            high: One past the last.
        """
        if self.keys.shape[2]:
            _settle(splits, base, step, numbers, exponents, low, high, self.addresses, self.exponents)

    def absorb(self, other: BestSequences, split: int) -> np.ndarray:
        """Takes in a split's sequences of another list; their addresses are pending, by the other's slot.

        Returns:
            bool [unit slot]: which of the other's slots were taken in.
        """
        needed = np.zeros((len(self.keys), other.keys.shape[2]), dtype=np.uint8)
        keys, rows = (np.ascontiguousarray(array[:, split]) for array in (other.keys, other.rows))
        self.offer(keys, rows, np.full(keys.shape[1], split), needed, 0, len(keys))
        return needed.astype(bool)

    def arrays(self) -> dict[str, np.ndarray]:
        """The state."""
        return {name: getattr(self, name) for name in _NAMES}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Puts a state from `arrays` in place of this one's."""
        for name in _NAMES:
            setattr(self, name, np.array(arrays[name]))


@compiled
def _offer(
    keys: np.ndarray,
    rows: np.ndarray,
    splits: np.ndarray,
    low: int,
    high: int,
    list_keys: np.ndarray,
    list_rows: np.ndarray,
    addresses: np.ndarray,
    exponents: np.ndarray,
    needed: np.ndarray,
) -> None:
    last = list_keys.shape[2] - 1
    for unit in range(low, high):
        for i in range(len(splits)):
            split, key, row = splits[i], keys[unit, i], rows[unit, i]
            if split < 0 or key == -np.inf:
                continue
            there, theirs = list_keys[unit, split], list_rows[unit, split]
            place = last
            if key < there[place] or (key == there[place] and row > theirs[place]):
                continue
            needed[unit, i] = 1
            while place > 0 and (key > there[place - 1] or (key == there[place - 1] and row < theirs[place - 1])):
                there[place], theirs[place] = there[place - 1], theirs[place - 1]
                addresses[unit, split, place] = addresses[unit, split, place - 1]
                exponents[unit, split, place] = exponents[unit, split, place - 1]
                place -= 1
            there[place], theirs[place] = key, row
            addresses[unit, split, place] = PENDING - i


@compiled
def _settle(
    splits: np.ndarray,
    base: int,
    step: int,
    numbers: np.ndarray,
    new_exponents: np.ndarray,
    low: int,
    high: int,
    addresses: np.ndarray,
    exponents: np.ndarray,
) -> None:
    for unit in range(low, high):
        for split in splits:
            for slot in range(addresses.shape[2]):
                if addresses[unit, split, slot] <= PENDING:
                    i = PENDING - addresses[unit, split, slot]
                    addresses[unit, split, slot] = base + step * numbers[unit, i]
                    exponents[unit, split, slot] = new_exponents[unit, i]
