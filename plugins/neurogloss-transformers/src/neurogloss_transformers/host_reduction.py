"""Collection on the host: activations are moved there as they come."""

from __future__ import annotations

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
