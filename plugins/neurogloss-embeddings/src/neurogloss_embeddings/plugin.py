"""What this distribution registers; imports no library."""

from __future__ import annotations

from neurogloss import Component, hookimpl
from neurogloss.plugin.known import EMBEDDINGS, install_command
from neurogloss_embeddings.configs import SentenceTransformersConfig


@hookimpl
def neurogloss_register_components() -> list[Component]:
    """The embedder `sentence_transformers`."""
    return [
        Component(
            "embedder",
            "sentence_transformers",
            SentenceTransformersConfig,
            "neurogloss_embeddings.embedder:SentenceTransformersEmbedder",
            "any sentence-embedding model, in this process; all-MiniLM-L6-v2 unless another is named",
            install_hint=install_command(EMBEDDINGS),
        )
    ]
