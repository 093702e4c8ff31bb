"""The suite of all scorers, on those that rank or write texts."""

from __future__ import annotations

import pytest

from neurogloss.builtin.embedders.configs import HashedWordsConfig
from neurogloss.builtin.embedders.hashed_words import HashedWordsEmbedder
from neurogloss.builtin.explainers.configs import TokenActivationConfig
from neurogloss.builtin.explainers.token_activation import TokenActivationExplainer
from neurogloss.builtin.llms.configs import ScriptedConfig
from neurogloss.builtin.llms.scripted import ScriptedModel
from neurogloss.builtin.negatives.configs import RandomNegativesConfig
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.scorers.configs import (
    EmbeddingScorerConfig,
    GenerateThenActivateConfig,
    NaturalConfig,
    StabilityConfig,
    SurprisalConfig,
)
from neurogloss.builtin.scorers.embedding import EmbeddingScorer
from neurogloss.builtin.scorers.generate_then_activate import GenerateThenActivateScorer
from neurogloss.builtin.scorers.natural import NaturalScorer
from neurogloss.builtin.scorers.stability import StabilityScorer
from neurogloss.builtin.scorers.surprisal import SurprisalScorer
from neurogloss.interfaces.scorer import Scorer
from neurogloss.testing import ScorerContract

HASHED = HashedWordsEmbedder(HashedWordsConfig())


class TestEmbeddingScorer(ScorerContract):
    @pytest.fixture
    def scorer(self) -> Scorer:
        config = EmbeddingScorerConfig(min_each=2, n_bootstrap=50, n_permutations=50)
        return EmbeddingScorer(config, HASHED, RandomNegatives(RandomNegativesConfig()))


class TestGenerateThenActivateScorer(ScorerContract):
    @pytest.fixture
    def scorer(self) -> Scorer:
        config = GenerateThenActivateConfig(n_bootstrap=50, n_permutations=50)
        return GenerateThenActivateScorer(config, ScriptedModel(ScriptedConfig()))


class TestNaturalScorer(ScorerContract):
    @pytest.fixture
    def scorer(self) -> Scorer:
        config = NaturalConfig(n_texts=12, min_texts=4, n_bootstrap=50, n_permutations=50)
        return NaturalScorer(config, ScriptedModel(ScriptedConfig()))


class TestSurprisalScorer(ScorerContract):
    @pytest.fixture
    def scorer(self) -> Scorer:
        config = SurprisalConfig(min_each=2, n_bootstrap=50, n_permutations=50)
        return SurprisalScorer(config, ScriptedModel(ScriptedConfig()), RandomNegatives(RandomNegativesConfig()))


class TestStabilityScorer(ScorerContract):
    @pytest.fixture
    def scorer(self) -> Scorer:
        explainer = TokenActivationExplainer(TokenActivationConfig(), ScriptedModel(ScriptedConfig()))
        return StabilityScorer(StabilityConfig(), explainer, HASHED)
