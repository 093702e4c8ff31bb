"""`Embedder`: texts as vectors, near where they mean the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np


class Embedder(ABC):
    """A sentence-embedding model."""

    @abstractmethod
    def identity(self) -> Mapping[str, str]:
        """What determines the vectors: model, revision, dtype. Never a path.

        Cheap: loads no weights.
        """

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """The texts' vectors, float32 [text dimension], each of length 1; an empty text has one, too."""
