"""The embedder on sentence-transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers.utils import logging

from neurogloss.errors import ConfigError
from neurogloss.interfaces.embedder import Embedder
from neurogloss_embeddings.configs import SentenceTransformersConfig
from neurogloss_embeddings.sources import find_model


class SentenceTransformersEmbedder(Embedder):
    """A sentence-embedding model in this process, in float32.

    A text longer than the model reads is cut. The batch a text is in changes its vector by less than 1e-5.
    """

    def __init__(self, config: SentenceTransformersConfig) -> None:
        self._config = config
        self._source = find_model(config)

    def identity(self) -> Mapping[str, str]:
        return {"provider": "sentence-transformers", **self._source.identity, "dtype": "float32"}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        if not texts:
            return self.embed([""])[:0]
        vectors = self._model.encode(
            list(texts), batch_size=self._config.batch_size, show_progress_bar=False, convert_to_numpy=True
        )
        # Here and not by the library, so that the length is 1 whatever layers the model ends with.
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        return np.asarray(vectors / lengths, dtype=np.float32)

    @cached_property
    def _model(self) -> SentenceTransformer:
        device = None if self._config.device == "auto" else self._config.device
        talk: Any = logging
        bars = talk.is_progress_bar_enabled()
        talk.disable_progress_bar()
        try:
            return SentenceTransformer(
                self._source.name,
                device=device,
                revision=self._source.revision,
                model_kwargs={"dtype": torch.float32},
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"The sentence-embedding model {self._config.model!r} cannot be loaded.",
                known=str(error).splitlines()[0],
                remedy="Check model, revision and device.",
            ) from error
        finally:
            if bars:
                talk.enable_progress_bar()
