"""Tokens in batches, as a tool that is measured gets them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch


class Batches:
    """Batches of tokens, each of which runs bare just before it is handed out; says how long that took.

    Without a model nothing runs bare.
    """

    def __init__(self, model: Any | None, tokens: torch.Tensor, size: int) -> None:
        self.tokens, self.size = tokens, size
        self.bare_seconds = 0.0
        self._model, self._batches = model, tokens.split(size)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number: int) -> torch.Tensor:
        return self._batches[number]

    def __iter__(self) -> Iterator[torch.Tensor]:
        for batch in self._batches:
            self.run_bare(batch)
            yield batch

    def run_bare(self, batch: torch.Tensor) -> None:
        """The forward pass alone."""
        if self._model is None:
            return
        begin = time.perf_counter()
        with torch.inference_mode():
            self._model.model(batch, use_cache=False)
        self.bare_seconds += time.perf_counter() - begin
