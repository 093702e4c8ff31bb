"""What a collection holds on a device: a batch, its summaries, a site's moments and lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import triton

from neurogloss.reducers.best_sequences import BestSequences
from neurogloss.reducers.counted_batch import CountedBatch
from neurogloss.reducers.draws import NONE
from neurogloss.reducers.maxima_histogram import N_BINS
from neurogloss.reducers.seeded_hash import mixed
from neurogloss.reducers.site_reducer import SiteReducer
from neurogloss.reducers.summarizing import AT_ONCE
from neurogloss_transformers import device_kernels as kernels
from neurogloss_transformers.moving import to_device

_DRAWN_AT_ONCE = 32
"""Drawn sequences whose rows are made together."""
UNITS, WARPS = 256, 2
"""What a program takes at once that reads or writes each sequence's values; fastest on an H200, as are those below."""


class DeviceBatch:
    """What `CountedBatch` says, on a device.

    Args:
        of: The batch.
        splits: int64 [split]: those of which there are sequences; here a split is its place among them.
        device: Where to.
    """

    def __init__(self, of: CountedBatch, splits: np.ndarray, device: torch.device) -> None:
        self.of = of
        self.device = device
        arrays = (of.present, of.lengths, of.rows, of.positions, np.searchsorted(splits, of.splits))
        self.present, self.lengths, self.rows, self.positions, self.splits = (
            to_device(each, device) for each in arrays
        )
        self.counted = to_device(of.batch.counted[of.present].view(np.uint8), device)
        self.hashed = to_device(mixed(of.ids).view(np.int64), device)
        # None where no sequence is in the subset.
        self.subset_splits = [
            to_device(np.where(each >= 0, np.searchsorted(splits, each), -1), device) if (each >= 0).any() else None
            for each in of.subset_splits
        ]
        drawn = np.flatnonzero(of.drawn >= 0)
        self.drawn = [drawn[first : first + _DRAWN_AT_ONCE] for first in range(0, len(drawn), _DRAWN_AT_ONCE)]
        """Places of the drawn sequences, a few at a time."""


@dataclass(frozen=True)
class Summaries:
    """What `kernels.summarize` writes, [seq unit] each."""

    maxima: torch.Tensor
    minima: torch.Tensor
    firing: torch.Tensor
    means: torch.Tensor
    squares: torch.Tensor
    cubes: torch.Tensor
    fourths: torch.Tensor

    @classmethod
    def of(cls, batch: DeviceBatch, activations: torch.Tensor, signs: torch.Tensor) -> Summaries:
        """Summarizes the sequences of a batch."""
        n_seqs, n_units = len(batch.of), len(signs)
        kinds = [torch.int32 if name == "firing" else torch.float32 for name in cls.__dataclass_fields__]
        out = cls(*(torch.empty(n_seqs, n_units, dtype=kind, device=batch.device) for kind in kinds))
        kernels.summarize[(triton.cdiv(n_units, UNITS), n_seqs)](
            *(activations, signs, batch.present, batch.positions, batch.lengths),
            *(batch.positions.shape[1], activations.shape[1], n_units, *out.tensors),
            UNITS=UNITS,
            AT_ONCE=AT_ONCE,
            num_warps=WARPS,
        )
        return out

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """In the kernels' order."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


class DeviceMoments:
    """Moments and histogram of one site on a device: `Moments` and `MaximaHistogram`."""

    def __init__(self, n_units: int, device: torch.device) -> None:
        self.n = 0
        self.moments = torch.zeros(4, n_units, dtype=torch.float64, device=device)
        self.minimum = torch.full((n_units,), torch.inf, device=device)
        self.maximum = torch.full((n_units,), -torch.inf, device=device)
        counts = torch.zeros(3, n_units, dtype=torch.int64, device=device)
        self.firing, self.firing_sequences, self.first_position = counts
        self.histogram = torch.zeros(n_units, N_BINS, dtype=torch.int32, device=device)

    def add(self, batch: DeviceBatch, summaries: Summaries) -> None:
        """Takes in the sequences of a batch."""
        n_seqs, n_units = summaries.maxima.shape
        kernels.merge[(triton.cdiv(n_units, 16),)](
            *(batch.lengths, self.n, n_seqs, n_units, *summaries.tensors, self.moments, self.minimum, self.maximum),
            *(self.firing, self.firing_sequences, self.first_position, self.histogram),
            UNITS=16,
            SEQS=64,
            num_warps=2,
        )
        self.n += int(batch.of.lengths.sum())

    def leave(self, reducer: SiteReducer) -> None:
        """Puts them in place of the reducer's."""
        names = ("moments", "minimum", "maximum", "firing", "firing_sequences", "first_position")
        reducer.moments.load({"n": np.array(self.n), **{name: getattr(self, name).cpu().numpy() for name in names}})
        reducer.histogram.load({"counts": self.histogram.cpu().numpy().view(np.uint32)})


class DeviceList:
    """`BestSequences` on a device, with the values of what it holds; slots are in no order.

    Args:
        of: The same list, empty, on the host.
        n_splits: Of which there are sequences.
        length: Values in a row.
        device: Where.
    """

    def __init__(self, of: BestSequences, n_splits: int, length: int, device: torch.device) -> None:
        shape = (len(of.keys), n_splits, of.keys.shape[2])
        self.places = (kernels.EMPTY.value + torch.arange(shape[-1], device=device)).expand(shape).contiguous()
        """int64 [unit split slot]: key and row, as the kernels put them together."""
        self.values = torch.zeros(*shape, length, dtype=torch.int16, device=device)
        self.exponents = torch.zeros(shape, dtype=torch.int8, device=device)

    def offer(
        self,
        batch: DeviceBatch,
        splits: torch.Tensor,
        keys: torch.Tensor,
        activations: torch.Tensor,
        signs: torch.Tensor,
        summaries: Summaries,
    ) -> None:
        """Offers the sequences of a batch.

        Args:
            batch: The sequences.
            splits: int64 [seq]: to the list of which split; -1 for none.
            keys: float32 [seq unit]: minus infinity for a sequence that is not offered.
            activations: [seq pos unit]
            signs: float32 [unit]
            summaries: Of the same activations.
        """
        n_units, n_splits, size = self.places.shape
        kernels.offer[(triton.cdiv(n_units, 8), n_splits)](
            *(activations, signs, batch.present, batch.counted, keys, batch.rows, splits),
            *(summaries.maxima, summaries.minima, len(batch.of), activations.shape[1], n_units),
            *(self.places, self.values, self.exponents, self.values.shape[-1], size),
            SLOTS=triton.next_power_of_2(size),
            UNITS=8,
            SEQS=128,
            POSITIONS=64,
            num_warps=1,
        )

    def sort(self) -> None:
        """Puts the slots into falling order."""
        self.places, order = self.places.sort(dim=-1, descending=True)
        self.exponents = self.exponents.gather(-1, order)
        self.values = self.values.gather(2, order[..., None].expand_as(self.values))

    @property
    def filled(self) -> torch.Tensor:
        """bool [unit split slot]"""
        filled: torch.Tensor = self.places >= kernels.EMPTY.value + (1 << 32)
        return filled

    def leave(self, to: BestSequences, splits: np.ndarray, addresses: torch.Tensor) -> None:
        """Puts them, sorted, in place of an empty list's in these splits; addresses are int32 [unit split slot]."""
        ordered = (self.places >> 32).to(torch.int32)
        keys = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).view(torch.float32)
        rows = (kernels.ROW_BITS.value - (self.places & 0xFFFFFFFF)).to(torch.int32)
        found = {
            "keys": keys.masked_fill(~self.filled, -torch.inf),
            "rows": rows.masked_fill(~self.filled, NONE),
            "addresses": addresses,
            "exponents": self.exponents,
        }
        arrays = to.arrays()
        for name, tensor in found.items():
            arrays[name][:, splits] = tensor.cpu().numpy()
