"""What is brought to the host arrives, and what fails there is heard of."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from neurogloss_transformers import moving
from neurogloss_transformers.moving import HostCopies


def test_all_copies_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_UNDER_WAY", 100)  # bytes: some calls wait for others
    copies, taken = HostCopies(), {}
    for number in range(40):
        copies.copy(lambda one, two: taken.update({int(one[0]): int(two.sum())}), *torch.full((2, 4), number))
    copies.finish()
    assert taken == {number: 4 * number for number in range(40)}


def test_what_taking_raises_is_raised() -> None:
    def fail(_array: np.ndarray) -> None:
        raise OSError(28, "No space left on device")

    copies = HostCopies()
    copies.copy(fail, torch.zeros(3))
    with pytest.raises(OSError, match="No space left"):
        copies.finish()
    copies.finish()  # it is said once


def test_a_call_hears_of_the_failure_of_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_UNDER_WAY", 1)
    reached = threading.Event()

    def fail(_array: np.ndarray) -> None:
        reached.set()
        raise MemoryError

    copies = HostCopies()
    copies.copy(fail, torch.zeros(3))
    assert reached.wait(10)
    with pytest.raises(MemoryError):
        copies.copy(lambda _array: None, torch.zeros(3))
