"""Embedding without a model: a bag of hashed words."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from neurogloss.builtin.embedders.configs import HashedWordsConfig
from neurogloss.interfaces.embedder import Embedder

_WORD = re.compile(r"\w+")


class HashedWordsEmbedder(Embedder):
    """Counts the words of a text, in lower case, each at the dimension that its CRC-32 names.

    It knows words and no meanings: a baseline for embedding models, and the same to the bit on any
    machine. The first dimension stands for a text without words.
    """

    def __init__(self, config: HashedWordsConfig) -> None:
        self._dimensions = config.dimensions

    def identity(self) -> Mapping[str, str]:
        return {"provider": "hashed_words", "dimensions": str(self._dimensions)}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), self._dimensions))
        for vector, text in zip(vectors, texts, strict=True):
            for word in _WORD.findall(text.lower()):
                vector[1 + zlib.crc32(word.encode("utf-8", "replace")) % (self._dimensions - 1)] += 1
            if not vector.any():
                vector[0] = 1
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
