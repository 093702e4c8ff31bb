"""The contract of an embedder."""

from __future__ import annotations

import numpy as np
import pytest

from neurogloss.interfaces.embedder import Embedder
from neurogloss.testing.contract import Contract, check_identity, override_fixture

TEXTS = (
    "The cat sleeps by the river.",
    "A cat sleeps near the river",
    "Interest rates rose for the third time this year.",
    "猫は寝ている 🐈",
    "",
    " \n\t ",
    "word " * 600,
    "The cat sleeps by the river.",
)
"""What is embedded: texts of one meaning, of another, without words, too long, and one twice."""

_ROUNDING = 1e-4


class EmbedderContract(Contract):
    """What every embedder does.

    ```
    class TestMine(EmbedderContract):
        @pytest.fixture
        def embedder(self):
            return MyEmbedder(MyConfig())
    ```
    """

    @pytest.fixture
    def embedder(self) -> Embedder:
        """The embedder."""
        override_fixture("EmbedderContract", "embedder")

    def test_there_is_a_row_for_each_text(self, embedder: Embedder) -> None:
        vectors = embedder.embed(TEXTS)
        assert vectors.dtype == np.float32
        assert vectors.ndim == 2
        assert len(vectors) == len(TEXTS)

    def test_no_text_has_no_rows(self, embedder: Embedder) -> None:
        assert embedder.embed(()).shape == (0, embedder.embed(TEXTS[:1]).shape[1])

    def test_rows_have_length_one(self, embedder: Embedder) -> None:
        np.testing.assert_allclose(np.linalg.norm(embedder.embed(TEXTS), axis=1), 1, atol=_ROUNDING)

    def test_an_empty_text_has_a_vector(self, embedder: Embedder) -> None:
        np.testing.assert_allclose(np.linalg.norm(embedder.embed([""]), axis=1), 1, atol=_ROUNDING)

    def test_order_does_not_matter(self, embedder: Embedder) -> None:
        backwards = embedder.embed(TEXTS[::-1])[::-1]
        np.testing.assert_allclose(backwards, embedder.embed(TEXTS), atol=_ROUNDING)

    def test_the_other_texts_do_not_matter(self, embedder: Embedder) -> None:
        alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
        np.testing.assert_allclose(alone, embedder.embed(TEXTS), atol=_ROUNDING)

    def test_embedding_twice_gives_the_same(self, embedder: Embedder) -> None:
        np.testing.assert_array_equal(embedder.embed(TEXTS), embedder.embed(TEXTS))

    def test_equal_texts_have_equal_vectors(self, embedder: Embedder) -> None:
        vectors = embedder.embed(TEXTS)
        np.testing.assert_allclose(vectors[0], vectors[-1], atol=_ROUNDING)

    def test_texts_are_told_apart(self, embedder: Embedder) -> None:
        cat, same, other = embedder.embed(TEXTS[:3])
        assert cat @ same > cat @ other + _ROUNDING, "a text is nearer to one that says the same than to any other"

    def test_identity_is_portable(self, embedder: Embedder) -> None:
        check_identity(embedder.identity())

    def test_identity_stays(self, embedder: Embedder) -> None:
        before = dict(embedder.identity())
        embedder.embed(TEXTS[:1])
        assert dict(embedder.identity()) == before
