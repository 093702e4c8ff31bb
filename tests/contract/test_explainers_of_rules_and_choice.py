"""The contract suites on executable explanations and their simulator, and on explainers that choose or experiment."""

from __future__ import annotations

import pytest

from neurogloss.builtin.explainers.asking_configs import TokenActivationConfig
from neurogloss.builtin.explainers.best_of import BestOfExplainer
from neurogloss.builtin.explainers.configs import BestOfConfig, ExecutableConfig, InvestigateConfig, ReviseConfig
from neurogloss.builtin.explainers.executable import ExecutableExplainer
from neurogloss.builtin.explainers.investigate import InvestigateExplainer
from neurogloss.builtin.explainers.revise import ReviseExplainer
from neurogloss.builtin.explainers.token_activation import TokenActivationExplainer
from neurogloss.builtin.scorers.configs import SimulationScorerConfig
from neurogloss.builtin.scorers.simulation import SimulationScorer
from neurogloss.builtin.simulators.configs import LogprobConfig, RulesConfig
from neurogloss.builtin.simulators.logprob import LogprobSimulator
from neurogloss.builtin.simulators.rules import RulesSimulator
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.scorer import Scorer
from neurogloss.records.explanations import Explanation, Provenance
from neurogloss.records.rules import Rule, RulesExplanation, TokenTest
from neurogloss.testing import ExplainerContract, SimulatorContract
from neurogloss.testing.explainer import ExplainerFor
from neurogloss.testing.fakes import FakeLanguageModel
from neurogloss.testing.simulator import SimulatorFor


def proposing(llm: LanguageModel, samples: int = 1) -> TokenActivationExplainer:
    return TokenActivationExplainer(TokenActivationConfig(samples=samples), llm)


def simulating() -> Scorer:
    """With a model of its own, so that the suite's garbled models spoil the explanation alone."""
    return SimulationScorer(
        SimulationScorerConfig(n_bootstrap=0, n_permutations=0), LogprobSimulator(LogprobConfig(), FakeLanguageModel())
    )


class TestExecutable(ExplainerContract):
    @pytest.fixture
    def explainer_for(self) -> ExplainerFor:
        return lambda llm: ExecutableExplainer(ExecutableConfig())


class TestBestOf(ExplainerContract):
    @pytest.fixture
    def explainer_for(self) -> ExplainerFor:
        return lambda llm: BestOfExplainer(BestOfConfig(), proposing(llm, 3), simulating())


class TestRevise(ExplainerContract):
    @pytest.fixture
    def explainer_for(self) -> ExplainerFor:
        return lambda llm: ReviseExplainer(ReviseConfig(), llm, proposing(llm), simulating())


class TestInvestigate(ExplainerContract):
    @pytest.fixture
    def explainer_for(self) -> ExplainerFor:
        return lambda llm: InvestigateExplainer(InvestigateConfig(max_calls=3), llm)

    @pytest.fixture
    def llm(self) -> LanguageModel:
        return FakeLanguageModel('{"thought": "pets", "explanation": "This unit responds to pets"}')


class TestRules(SimulatorContract):
    @pytest.fixture
    def simulator_for(self) -> SimulatorFor:
        return lambda llm: RulesSimulator(RulesConfig())

    @pytest.fixture
    def explanation(self) -> Explanation:
        rules = (Rule(4.0, TokenTest(words=("cat",))), Rule(1.0, before=(TokenTest(tokens=("The",)),)))
        return RulesExplanation(Provenance("testing"), 0.25, rules)
