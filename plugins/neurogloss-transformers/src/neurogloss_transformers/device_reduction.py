"""Collection on the device that a model runs on: activations are reduced there, and only what is kept moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import triton

from neurogloss.errors import SubjectError
from neurogloss.reducers.best_sequences import BestSequences
from neurogloss.reducers.counted_batch import CountedBatch
from neurogloss.reducers.draws import NONE
from neurogloss.reducers.maxima_histogram import N_BINS
from neurogloss.reducers.seeded_hash import mixed
from neurogloss.reducers.site_reducer import SiteReducer
from neurogloss.reducers.summarizing import AT_ONCE
from neurogloss.reducers.unit_reducer import UnitReducer
from neurogloss_transformers import device_kernels as kernels
from neurogloss_transformers.moving import HostCopies, to_device
from neurogloss_transformers.reductions import HostReduction
from neurogloss_transformers.sources import first_line

_DRAWN_AT_ONCE = 32
"""Drawn sequences whose rows are made together."""
_UNITS, _WARPS = 256, 2
"""What a program takes at once that reads or writes each sequence's values; fastest on an H200, as are those below."""


class DeviceReduction(HostReduction):
    """Reduces each site's activations on the device they are on, with the lists and their values there too.

    What is kept is what `UnitReducer.add` keeps of the same activations; statistics agree to about 1e-5.

    Args:
        reducer: Empty; `finish` fills it.
        kinds: Types of devices on which kernels run; what is elsewhere is reduced on the host.
    """

    def __init__(self, reducer: UnitReducer, kinds: Sequence[str] = ("cuda",)) -> None:
        super().__init__(reducer)
        self._kinds = kinds
        self._splits = reducer.draws.splits_there
        self._on_device: dict[str, DeviceSite] = {}
        self._copies = HostCopies()
        self._moved: dict[torch.device, DeviceBatch] = {}

    def add(self, site: str, batch: CountedBatch, activations: torch.Tensor) -> None:
        device = activations.device
        if device.type not in self._kinds:
            super().add(site, batch, activations)
        elif len(batch):
            with torch.cuda.device_of(activations):
                if site not in self._on_device:
                    self._on_device[site] = DeviceSite(self._sites[site], self._splits, device, self._copies)
                if device not in self._moved or self._moved[device].of is not batch:
                    self._moved[device] = DeviceBatch(batch, self._splits, device)
                self._on_device[site].add(self._moved[device], activations.contiguous())

    def check(self) -> None:
        self._copies.finish()
        for site in self._on_device.values():
            site.check()

    def finish(self) -> None:
        self.check()
        self._moved.clear()
        try:
            while self._on_device:
                self._on_device.popitem()[1].finish()
        except torch.OutOfMemoryError as error:
            raise SubjectError(
                "Memory runs out on the device when what was kept is put in order.",
                known=first_line(error),
                remedy="Choose fewer units, or keep fewer sequences (collection.top_k, collection.per_bin).",
            ) from error
        self._copies.finish()


def bytes_needed(reducer: UnitReducer) -> int:
    """Memory that `DeviceReduction` takes on devices for what it keeps: an upper bound, in bytes."""
    n_splits = len(reducer.draws.splits_there)
    of_histogram, of_moments = 4 * N_BINS, 64
    return sum(
        len(site.columns) * (of_histogram + of_moments + n_splits * slots * (2 * site.rows.length + 8 + 1))
        for site in reducer.sites.values()
        for slots in [sum(kept.keys.shape[2] for kept in site.lists.values())]
    )


def try_kernels(device: torch.device) -> None:
    """Runs the smallest kernel; raises whatever keeps Triton from running on a device."""
    with torch.cuda.device(device):
        one = torch.ones(1, 1, device=device)
        bits = torch.ones(1, dtype=torch.int64, device=device)
        kernels.weigh[(1, 1)](bits, bits, one, 1, torch.empty_like(one), UNITS=_UNITS, num_warps=_WARPS)
        torch.cuda.synchronize(device)


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
        kernels.summarize[(triton.cdiv(n_units, _UNITS), n_seqs)](
            *(activations, signs, batch.present, batch.positions, batch.lengths),
            *(batch.positions.shape[1], activations.shape[1], n_units, *out.arrays),
            UNITS=_UNITS,
            AT_ONCE=AT_ONCE,
            num_warps=_WARPS,
        )
        return out

    @property
    def arrays(self) -> tuple[torch.Tensor, ...]:
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
            *(batch.lengths, self.n, n_seqs, n_units, *summaries.arrays, self.moments, self.minimum, self.maximum),
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


class DeviceSite:
    """`SiteReducer` on a device.

    Args:
        reducer: What is filled in the end; it has no token sums.
        splits: int64 [split]: those of which there are sequences.
        device: Where the site's activations are.
        copies: Bring rows to the host.
    """

    def __init__(self, reducer: SiteReducer, splits: np.ndarray, device: torch.device, copies: HostCopies) -> None:
        self._reducer = reducer
        self._splits = splits
        self._device = device
        self._copies = copies
        n_units = len(reducer.columns)
        self._signs = to_device(reducer.columns.signs.astype(np.float32), device)
        self._moments = DeviceMoments(n_units, device)
        self._importance_salts = to_device(reducer.importance_salts.view(np.int64), device)
        self._lists = {
            name: DeviceList(kept, len(splits), reducer.rows.length, device)
            for name, kept in reducer.lists.items()
            if kept.keys.size
        }

    def add(self, batch: DeviceBatch, activations: torch.Tensor) -> None:
        """Takes in a batch's activations, [seq pos unit]."""
        if activations.shape != (*batch.of.batch.counted.shape, len(self._signs)):
            raise ValueError(f"activations at {self._reducer.site} have shape {tuple(activations.shape)}")
        # Memory may run out in these three, after which the sequences are added again.
        summaries = Summaries.of(batch, activations, self._signs)
        keys = self._importance_keys(batch, summaries.maxima) if "importance" in self._lists else summaries.maxima
        of_drawn = [self._of_drawn(batch, drawn, activations, summaries) for drawn in batch.drawn]
        try:
            self._take_in(batch, activations, summaries, keys, of_drawn)
        except (RuntimeError, MemoryError) as error:  # what was taken in already must not be added again
            raise SubjectError(
                f"Collecting at {self._reducer.site} failed on the device {self._device}.",
                known=first_line(error),
                remedy="If memory ran out, lower collection.batch_size or choose fewer units.",
            ) from error

    def _take_in(
        self,
        batch: DeviceBatch,
        activations: torch.Tensor,
        summaries: Summaries,
        keys: torch.Tensor,
        of_drawn: Sequence[Sequence[torch.Tensor]],
    ) -> None:
        for drawn, tensors in zip(batch.drawn, of_drawn, strict=True):
            self._copies.copy(partial(self._reducer.keep_drawn, batch.of.drawn[drawn]), *tensors)
        self._moments.add(batch, summaries)
        subsets = {f"subset {number}": splits for number, splits in enumerate(batch.subset_splits)}
        for name, kept in self._lists.items():
            splits = subsets.get(name, batch.splits)
            if splits is not None:
                of_list = keys if name == "importance" else summaries.maxima
                kept.offer(batch, splits, of_list, activations, self._signs, summaries)

    def _importance_keys(self, batch: DeviceBatch, maxima: torch.Tensor) -> torch.Tensor:
        n_seqs, n_units = maxima.shape
        keys = torch.empty_like(maxima)
        kernels.weigh[(triton.cdiv(n_units, _UNITS), n_seqs)](
            batch.hashed, self._importance_salts, maxima, n_units, keys, UNITS=_UNITS, num_warps=_WARPS
        )
        return keys

    def _of_drawn(
        self, batch: DeviceBatch, drawn: np.ndarray, activations: torch.Tensor, summaries: Summaries
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rows, exponents and maxima of drawn sequences, for every unit; as `value_rows.write_rows` makes them."""
        chosen = to_device(drawn, self._device)
        maxima = summaries.maxima[chosen]
        largest = torch.maximum(maxima.abs(), summaries.minima[chosen].abs()).view(torch.int32)
        exponents = ((largest >> 23) - 127).clamp(-111, 127)  # [seq unit]
        scales = ((127 + 14 - exponents) << 23).view(torch.float32) * self._signs
        values = activations[batch.present[chosen]].float() * scales[:, None]
        values = values.round_().clamp_(max=32767).masked_fill_(batch.counted[chosen][..., None] == 0, 0)
        shape = (len(self._signs), len(drawn), self._reducer.rows.length)
        rows = torch.zeros(shape, dtype=torch.int16, device=self._device)
        rows[..., : values.shape[1]] = values.permute(2, 0, 1)
        return rows, (exponents - 14).to(torch.int8).T.contiguous(), maxima.T.contiguous()

    def check(self) -> None:
        """Waits for the device.

        Raises:
            SubjectError: A counted activation was NaN or infinite.
        """
        if not bool(self._moments.moments[0].isfinite().all()):
            raise self._reducer.not_finite()

    def finish(self) -> None:
        """Fills the reducer; the rows that a unit keeps lie together."""
        reducer, n_units = self._reducer, len(self._signs)
        self._moments.leave(reducer)
        lists = list(self._lists.items())
        if not lists:
            return
        for _, kept in lists:
            kept.sort()
        filled = torch.cat([kept.filled.reshape(n_units, -1) for _, kept in lists], dim=1)
        numbers = filled.reshape(-1).cumsum(0).reshape(filled.shape) - 1
        addresses = torch.where(filled, numbers, NONE).to(torch.int32)
        widths = [kept.places[0].numel() for _, kept in lists]
        for (name, kept), own in zip(lists, addresses.split(widths, dim=1), strict=True):
            kept.leave(reducer.lists[name], self._splits, own.reshape(kept.places.shape))
        values = torch.cat([kept.values.reshape(n_units, -1, reducer.rows.length) for _, kept in lists], dim=1)
        self._copies.copy(reducer.rows.kept.append, values[filled])
