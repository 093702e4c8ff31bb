"""The contract suite on the explainers that are one prompt, and on those that ask nobody."""

from __future__ import annotations

import numpy as np
import pytest

from neurogloss.builtin.explainers.activations_and_logits import ActivationsAndLogitsExplainer
from neurogloss.builtin.explainers.asking_configs import (
    ActivationsAndLogitsConfig,
    ConceptsConfig,
    ContrastiveConfig,
    ListingConfig,
    MaxActivatingConfig,
    SummaryConfig,
    TokenListConfig,
)
from neurogloss.builtin.explainers.concepts import ConceptsExplainer
from neurogloss.builtin.explainers.configs import OtherUnitConfig, Which, WrittenConfig
from neurogloss.builtin.explainers.contrastive import ContrastiveExplainer
from neurogloss.builtin.explainers.max_activating import MaxActivatingExplainer
from neurogloss.builtin.explainers.other_unit import OtherUnitExplainer
from neurogloss.builtin.explainers.summary import SummaryExplainer
from neurogloss.builtin.explainers.token_list import TokenListExplainer
from neurogloss.builtin.explainers.written import WrittenExplainer
from neurogloss.builtin.llms.configs import ScriptedConfig
from neurogloss.builtin.llms.scripted import ScriptedModel
from neurogloss.builtin.negatives.configs import NeighbourNegativesConfig
from neurogloss.builtin.negatives.neighbours import NeighbourNegatives
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.output_weights import OutputTokens, OutputWeights
from neurogloss.records.units import UnitId
from neurogloss.testing import ExplainerContract
from neurogloss.testing.explainer import ExplainerFor
from neurogloss.testing.fakes import FakeLanguageModel


class _Writing(SyntheticSubject, OutputWeights):
    def output_directions(self, site: str, indices: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def output_tokens(self, unit: UnitId, n: int) -> OutputTokens:
        return OutputTokens(((" purr", 1.5),), ((" stone", -0.5),))


LISTING = ListingConfig(tokens=5, context=3, exceptions=2)
MAKERS: dict[str, ExplainerFor] = {
    "max_activating": lambda llm: MaxActivatingExplainer(MaxActivatingConfig(listing=LISTING), llm),
    "max_activating, samples": lambda llm: MaxActivatingExplainer(MaxActivatingConfig(numbers=True, samples=3), llm),
    "token_list": lambda llm: TokenListExplainer(TokenListConfig(listing=LISTING), llm),
    "contrastive": lambda llm: ContrastiveExplainer(
        ContrastiveConfig(), llm, NeighbourNegatives(NeighbourNegativesConfig())
    ),
    "activations_and_logits": lambda llm: ActivationsAndLogitsExplainer(
        ActivationsAndLogitsConfig(), llm, _Writing(SyntheticConfig())
    ),
    "summary": lambda llm: SummaryExplainer(SummaryConfig(), llm),
    "concepts": lambda llm: ConceptsExplainer(ConceptsConfig(samples=2), llm),
    "written": lambda llm: WrittenExplainer(WrittenConfig(text="words about animals")),
    "other_unit": lambda llm: OtherUnitExplainer(
        OtherUnitConfig(which=Which.FARTHEST), MaxActivatingExplainer(MaxActivatingConfig(samples=2), llm)
    ),
}


@pytest.mark.parametrize("name", MAKERS)
class TestExplainers(ExplainerContract):
    @pytest.fixture
    def explainer_for(self, name: str) -> ExplainerFor:
        return MAKERS[name]


class TestThinkingAloud(ExplainerContract):
    @pytest.fixture
    def explainer_for(self) -> ExplainerFor:
        return lambda llm: MaxActivatingExplainer(MaxActivatingConfig(reasoning=50), llm)

    @pytest.fixture
    def llm(self) -> LanguageModel:
        return FakeLanguageModel("A cat, then a dog.\nThis unit responds to pets")


class TestConceptsBySchema(ExplainerContract):
    @pytest.fixture
    def explainer_for(self) -> ExplainerFor:
        return lambda llm: ConceptsExplainer(ConceptsConfig(), llm)

    @pytest.fixture
    def llm(self) -> ScriptedModel:
        return ScriptedModel(ScriptedConfig())
