"""Collection on the device that a model runs on: activations are reduced there, and only what is kept moves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
import triton

from neurogloss.errors import SubjectError
from neurogloss.reducers.counted_batch import CountedBatch
from neurogloss.reducers.draws import NONE
from neurogloss.reducers.maxima_histogram import N_BINS
from neurogloss.reducers.site_reducer import SiteReducer
from neurogloss.reducers.unit_reducer import UnitReducer
from neurogloss.reducers.value_rows import BIAS, LEADING_BIT, LEAST_POWER, MOST_POWER
from neurogloss_transformers import device_kernels as kernels
from neurogloss_transformers.device_state import UNITS, WARPS, DeviceBatch, DeviceList, DeviceMoments, Summaries
from neurogloss_transformers.host_reduction import HostReduction
from neurogloss_transformers.moving import HostCopies, to_device
from neurogloss_transformers.sources import first_line


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
        kernels.weigh[(1, 1)](bits, bits, one, 1, torch.empty_like(one), UNITS=UNITS, num_warps=WARPS)
        torch.cuda.synchronize(device)


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
        kernels.weigh[(triton.cdiv(n_units, UNITS), n_seqs)](
            batch.hashed, self._importance_salts, maxima, n_units, keys, UNITS=UNITS, num_warps=WARPS
        )
        return keys

    def _of_drawn(
        self, batch: DeviceBatch, drawn: np.ndarray, activations: torch.Tensor, summaries: Summaries
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rows, exponents and maxima of drawn sequences, for every unit; as `value_rows.write_rows` makes them."""
        chosen = to_device(drawn, self._device)
        maxima = summaries.maxima[chosen]
        largest = torch.maximum(maxima.abs(), summaries.minima[chosen].abs()).view(torch.int32)
        exponents = ((largest >> 23) - BIAS).clamp(LEAST_POWER, MOST_POWER)  # [seq unit]
        scales = ((BIAS + LEADING_BIT - exponents) << 23).view(torch.float32) * self._signs
        values = activations[batch.present[chosen]].float() * scales[:, None]
        values = values.round_().clamp_(max=32767).masked_fill_(batch.counted[chosen][..., None] == 0, 0)
        shape = (len(self._signs), len(drawn), self._reducer.rows.length)
        rows = torch.zeros(shape, dtype=torch.int16, device=self._device)
        rows[..., : values.shape[1]] = values.permute(2, 0, 1)
        return rows, (exponents - LEADING_BIT).to(torch.int8).T.contiguous(), maxima.T.contiguous()

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
