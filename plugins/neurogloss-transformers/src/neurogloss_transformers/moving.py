"""Between the host's memory and a device's, while the device goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

_UNDER_WAY = 1 << 29
"""Bytes of copies to the host that may wait to be taken: their memory is page-locked, and torch keeps it."""
_THREADS = 4
"""Take them, so that the files of several sites are written side by side."""


def to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """The array on a device; nothing waits for what a CUDA device is at."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class HostCopies:
    """Copies tensors to the host while their device goes on, and has threads take them there."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="copies")
        self._under_way: deque[tuple[Future[object], int]] = deque()
        self._streams: dict[torch.device, torch.cuda.Stream] = {}

    def copy(self, take: Callable[..., object], *tensors: torch.Tensor) -> None:
        """Has `take` called with the values of contiguous tensors as arrays; raises what an earlier call raised."""
        size = sum(tensor.nbytes for tensor in tensors)
        while self._under_way and size + sum(other for _, other in self._under_way) > _UNDER_WAY:
            self._under_way.popleft()[0].result()
        arrive = self._begin(tensors)
        self._under_way.append((self._threads.submit(lambda: take(*arrive())), size))

    def finish(self) -> None:
        """Waits for all; raises what one of them raised."""
        while self._under_way:
            self._under_way.popleft()[0].result()

    def _begin(self, tensors: Sequence[torch.Tensor]) -> Callable[[], list[np.ndarray]]:
        """Begins to copy; what is returned waits until that is done."""
        device = tensors[0].device
        if device.type != "cuda":
            return lambda: [tensor.numpy() for tensor in tensors]
        if device not in self._streams:
            self._streams[device] = torch.cuda.Stream(device)
        stream = self._streams[device]
        stream.wait_stream(torch.cuda.current_stream(device))
        copied = torch.cuda.Event()
        with torch.cuda.stream(stream):
            there = [torch.empty(each.shape, dtype=each.dtype, pin_memory=True) for each in tensors]
            for host, tensor in zip(there, tensors, strict=True):
                host.copy_(tensor, non_blocking=True)
                tensor.record_stream(stream)
            copied.record(stream)

        def arrive() -> list[np.ndarray]:
            copied.synchronize()
            return [host.numpy() for host in there]

        return arrive
