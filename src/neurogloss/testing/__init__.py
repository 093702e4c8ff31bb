"""Contract suites for plugin authors: subclass the one of your component's kind, override a fixture.

Needs pytest (`pip install "neurogloss[test]"`).
"""

from __future__ import annotations

from neurogloss.testing.corpus import CorpusContract
from neurogloss.testing.embedder import EmbedderContract
from neurogloss.testing.executor import ExecutorContract
from neurogloss.testing.explainer import ExplainerContract
from neurogloss.testing.language_model import LanguageModelContract
from neurogloss.testing.metric import MetricContract
from neurogloss.testing.negatives import NegativesContract
from neurogloss.testing.questions import QuestionScorerContract
from neurogloss.testing.result_store import ResultStoreContract
from neurogloss.testing.scorer import ScorerContract, SimulationScorerContract
from neurogloss.testing.simulator import SimulatorContract
from neurogloss.testing.subject import SubjectContract

__all__ = [
    "CorpusContract",
    "EmbedderContract",
    "ExecutorContract",
    "ExplainerContract",
    "LanguageModelContract",
    "MetricContract",
    "NegativesContract",
    "QuestionScorerContract",
    "ResultStoreContract",
    "ScorerContract",
    "SimulationScorerContract",
    "SimulatorContract",
    "SubjectContract",
]
