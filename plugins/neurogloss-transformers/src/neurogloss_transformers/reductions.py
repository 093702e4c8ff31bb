"""Where a collection's activations are reduced: on the host by the core's reducer, or on the device they are on."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from neurogloss.reducers.counted_batch import CountedBatch
from neurogloss.reducers.unit_reducer import UnitReducer

if TYPE_CHECKING:
    import torch


class HostReduction:
    """Moves activations to the host as they come, and lets the core's reducer take them in.

    Args:
        reducer: Takes them in.
    """

    def __init__(self, reducer: UnitReducer) -> None:
        self._sites = reducer.sites

    def add(self, site: str, batch: CountedBatch, activations: torch.Tensor) -> None:
        """Takes in one site's activations [seq pos unit] of a batch, of any float and on any device.

        Raises:
            SubjectError: A counted activation is NaN or infinite; or, on a device, `check` raises it later.
        """
        import torch

        self._sites[site].add(batch, activations.to("cpu", torch.float32).numpy())

    def check(self) -> None:
        """Raises what has gone wrong on a device since."""

    def finish(self) -> None:
        """Leaves all that was taken in with the reducer."""


def reduction_on(device: torch.device, reducer: UnitReducer) -> HostReduction:
    """The reduction that fits a model's device.

    Activations stay on a CUDA device if Triton is there, as it is with torch for Linux. Sums for each token take too
    much memory there, and what a reducer holds already would have to be brought there.
    """
    sums = any(site.token_sums for site in reducer.sites.values())
    begun = any(site.moments.n for site in reducer.sites.values())
    if device.type != "cuda" or sums or begun or find_spec("triton") is None:
        return HostReduction(reducer)
    from neurogloss_transformers.device_reduction import DeviceReduction

    return DeviceReduction(reducer)
