"""Scoring by embedding: is the explanation nearer in meaning to the texts on which the unit fires?"""

from __future__ import annotations

from collections.abc import Sequence

from neurogloss.builtin.scorers.configs import EmbeddingScorerConfig
from neurogloss.builtin.scorers.texts import TextsScorer
from neurogloss.interfaces.embedder import Embedder
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.failures import Failure


class EmbeddingScorer(TextsScorer):
    """Rates a text by the cosine between its embedding and the explanation's.

    Source: Paulo et al. 2024, "Automatically Interpreting Millions of Features in Large Language Models".
    """

    name = "embedding"

    def __init__(
        self, config: EmbeddingScorerConfig, embedder: Embedder, negatives: Negatives | Sequence[Negatives]
    ) -> None:
        super().__init__(config, negatives)
        self._embedder = embedder

    async def rate(self, gloss: str, texts: Sequence[str]) -> Sequence[float | Failure]:
        """The cosines."""
        vectors = self._embedder.embed([gloss, *texts]).astype("float64")
        return [float(cosine) for cosine in vectors[1:] @ vectors[0]]
