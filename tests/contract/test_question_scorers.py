"""The contract suites of question scorers and of metrics, on the built-in ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from neurogloss.builtin.negatives.configs import NeighbourNegativesConfig, RandomNegativesConfig
from neurogloss.builtin.negatives.neighbours import NeighbourNegatives
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.scorers.metrics import DECLARED
from neurogloss.builtin.scorers.questions.configs import (
    DetectionConfig,
    DiscriminationConfig,
    FuzzingConfig,
    IntruderConfig,
)
from neurogloss.builtin.scorers.questions.detection import DetectionScorer
from neurogloss.builtin.scorers.questions.discrimination import DiscriminationScorer
from neurogloss.builtin.scorers.questions.fuzzing import FuzzingScorer
from neurogloss.builtin.scorers.questions.intruder import IntruderScorer
from neurogloss.builtin.scorers.questions.metrics import METRICS
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.metric import Metric
from neurogloss.records.explanations import Explanation
from neurogloss.testing import MetricContract, QuestionScorerContract
from neurogloss.testing.questions import ScorerFor
from neurogloss.testing.records import WEIGHTS, prose_explanation

RANDOM = RandomNegatives(RandomNegativesConfig())
NEIGHBOURS = NeighbourNegatives(NeighbourNegativesConfig())
FEW = {"n_bootstrap": 50, "n_permutations": 50}


class _Read(QuestionScorerContract):
    @pytest.fixture
    def oracle(self, word_reader: Callable[[], LanguageModel]) -> LanguageModel:
        return word_reader()

    @pytest.fixture
    def explanation(self) -> Explanation:
        return prose_explanation("the words " + " and ".join(WEIGHTS))


class TestDetection(_Read):
    @pytest.fixture
    def scorer_for(self) -> ScorerFor:
        config = DetectionConfig(min_each=1, per_request=2, negatives=["random", "neighbours"], **FEW)
        return lambda llm: DetectionScorer(config, llm=llm, negatives=(RANDOM, NEIGHBOURS))


class TestFuzzing(_Read):
    @pytest.fixture
    def scorer_for(self) -> ScorerFor:
        config = FuzzingConfig(min_each=1, per_request=2, **FEW)
        return lambda llm: FuzzingScorer(config, llm=llm)


class TestIntruder(_Read):
    @pytest.fixture
    def tells_the_explanation(self) -> bool:
        return False

    @pytest.fixture
    def scorer_for(self) -> ScorerFor:
        config = IntruderConfig(min_questions=1, n_texts=3, **FEW)
        return lambda llm: IntruderScorer(config, llm=llm, negatives=RANDOM)


class TestIntruderWithExplanation(_Read):
    @pytest.fixture
    def scorer_for(self) -> ScorerFor:
        config = IntruderConfig(min_questions=1, n_texts=3, with_explanation=True, **FEW)
        return lambda llm: IntruderScorer(config, llm=llm, negatives=RANDOM)


class TestDiscrimination(_Read):
    @pytest.fixture
    def scorer_for(self) -> ScorerFor:
        config = DiscriminationConfig(min_questions=1, n_texts=3, negatives="neighbours", **FEW)
        return lambda llm: DiscriminationScorer(config, llm=llm, negatives=NEIGHBOURS)


@pytest.mark.parametrize("metric", [*METRICS.values(), *DECLARED.values()], ids=lambda metric: metric.name)
class TestMetrics(MetricContract):
    @pytest.fixture
    def metric(self, request: pytest.FixtureRequest) -> Metric:
        found: Metric = request.param
        return found
