"""Where a collection's activations are reduced: on the host by the core's reducer, or on the device they are on."""

from __future__ import annotations

import logging
from collections.abc import Collection
from importlib.util import find_spec
from typing import TYPE_CHECKING

from neurogloss.reducers.unit_reducer import UnitReducer
from neurogloss_transformers.host_reduction import HostReduction
from neurogloss_transformers.sources import first_line

if TYPE_CHECKING:
    import torch

_SHARE = 0.8
"""Of a device's free memory that what is kept may take; the rest is for activations."""

_log = logging.getLogger(__name__)


def reduction_on(devices: Collection[torch.device], reducer: UnitReducer) -> HostReduction:
    """The reduction that fits the devices of a model.

    Activations stay on CUDA devices where Triton can run on them and what is kept fits beside the model. Sums for each
    token take too much memory there, and what a reducer holds already would have to be brought there.

    Args:
        devices: Where the model's weights are.
        reducer: Takes the activations in.
    """
    sites = reducer.sites.values()
    sums = any(site.token_sums for site in sites)
    begun = any(site.moments.n or site.rows.drawn.n_rows for site in sites)
    if any(device.type != "cuda" for device in devices) or sums or begun:
        return HostReduction(reducer)
    obstacle = _obstacle(devices, reducer)
    if obstacle:
        _log.warning("activations are reduced on the host, which is slower: %s", obstacle)
        return HostReduction(reducer)
    from neurogloss_transformers.device_reduction import DeviceReduction

    return DeviceReduction(reducer)


def _obstacle(devices: Collection[torch.device], reducer: UnitReducer) -> str:
    """Why activations cannot be reduced on CUDA devices, if they cannot."""
    import torch

    if torch.version.hip or find_spec("triton") is None:
        return "there is no Triton for this device"
    from neurogloss_transformers.device_reduction import bytes_needed, try_kernels

    needed, free = bytes_needed(reducer), sum(map(_free_bytes, devices))
    if needed > _SHARE * free:
        return f"what is kept of the units takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free on the device"
    try:
        for device in devices:
            try_kernels(device)
    except Exception as error:  # Triton compiles, and fails in many ways where there is no compiler or nowhere to write
        return f"Triton cannot run there ({first_line(error)})"
    return ""


def _free_bytes(device: torch.device) -> int:
    """What is free on a CUDA device, what torch holds for later tensors included."""
    import torch

    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + held
