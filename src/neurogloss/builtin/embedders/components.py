"""What is registered of the embedders."""

from __future__ import annotations

from neurogloss.builtin.embedders.configs import HashedWordsConfig
from neurogloss.plugin.component import Component

COMPONENTS = (
    Component(
        kind="embedder",
        name="hashed_words",
        config=HashedWordsConfig,
        factory="neurogloss.builtin.embedders.hashed_words:HashedWordsEmbedder",
        summary="no model: a bag of hashed words; the baseline",
    ),
)
