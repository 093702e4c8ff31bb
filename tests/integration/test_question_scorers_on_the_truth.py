"""Question scorers on units whose function is known, asked of an oracle that sees the rendered request alone.

One unit in nine of the synthetic subject's, so that the test is short.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurogloss.builtin.corpora.configs import SyntheticCorpusConfig
from neurogloss.builtin.corpora.generated import SyntheticCorpus
from neurogloss.builtin.llms.configs import OracleConfig
from neurogloss.builtin.llms.oracle import OracleModel
from neurogloss.builtin.negatives.beginnings import BeginningNegatives
from neurogloss.builtin.negatives.configs import (
    BeginningNegativesConfig,
    NeighbourNegativesConfig,
    RandomNegativesConfig,
)
from neurogloss.builtin.negatives.neighbours import NeighbourNegatives
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.scorers.questions.base import QuestionScorer
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
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.pipeline.collected import CollectedUnits
from neurogloss.pipeline.collection import collect_units
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView
from neurogloss.records.units import UnitId
from neurogloss.store.activations import ActivationStore
from neurogloss.testing.records import prose_explanation

SUBJECT = SyntheticSubject(SyntheticConfig())
UNITS = [UnitId(site.name, index) for site in SUBJECT.sites() for index in range(site.n_units)][::9]
PLAN = CollectionPlan(sequence_length=24, top_k=10, n_random=40, per_bin=4, n_importance=4)
RANDOM = RandomNegatives(RandomNegativesConfig())
NEIGHBOURS = NeighbourNegatives(NeighbourNegativesConfig())
BEGINNINGS = BeginningNegatives(BeginningNegativesConfig())
HOW: dict[str, Any] = {"n_bootstrap": 0, "n_permutations": 0}
ALIKE = {("tokens eleven to twenty of the text", "tokens eleven to fifteen of the text")}
"""Of the sample, what no text tells apart by whether or how strongly a unit fires in it: both start to fire at the same
token of the same texts."""
Make = Callable[[LanguageModel], QuestionScorer]
SCORERS: dict[str, Make] = {
    "detection": lambda llm: DetectionScorer(DetectionConfig(**HOW), llm, (RANDOM, NEIGHBOURS, BEGINNINGS)),
    "fuzzing": lambda llm: FuzzingScorer(FuzzingConfig(**HOW), llm),
    "intruder": lambda llm: IntruderScorer(IntruderConfig(with_explanation=True, **HOW), llm, RANDOM),
    "discrimination": lambda llm: DiscriminationScorer(DiscriminationConfig(**HOW), llm, NEIGHBOURS),
}


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[UnitId, SplitView]:
    store = ActivationStore(tmp_path_factory.mktemp("activations"))
    corpus = SyntheticCorpus(SyntheticCorpusConfig(n_documents=700))
    collected: CollectedUnits = collect_units(SUBJECT, corpus, UNITS, PLAN, store, batch_size=64)
    found = {unit: collected.record(unit).view(Split.TEST) for unit in UNITS}
    return {unit: view for unit, view in found.items() if not view.dead}


def value(scorer: QuestionScorer, gloss: str, view: SplitView) -> float | None:
    """The score; none where the unit fires on too many texts, or too few, to be asked about."""
    found = asyncio.run(scorer.score(prose_explanation(gloss), view)).outcome
    return found.value if isinstance(found, Score) else None


def differs(unit: UnitId, falsehood: str, view: SplitView) -> bool:
    """Whether a false explanation is wrong about at least 5 % of the split's random tokens."""
    wrong: list[bool] = []
    for record in view.records.random:
        said = [SUBJECT.true_values(text, record.sequence) for text in (SUBJECT.true_explanation(unit), falsehood)]
        true, false = (values for values in said if values is not None)
        wrong += list(np.abs(true - false) > 1e-9)
    return float(np.mean(wrong)) >= 0.05


@pytest.mark.parametrize("name", SCORERS)
def test_the_truth_wins(name: str, views: dict[UnitId, SplitView]) -> None:
    scorer = SCORERS[name](OracleModel(OracleConfig()))
    truths = {unit: value(scorer, SUBJECT.true_explanation(unit), view) for unit, view in views.items()}
    scored = {unit: truth for unit, truth in truths.items() if truth is not None}
    assert len(scored) >= 0.75 * len(views)
    assert min(scored.values()) >= 0.95
    names = list(scored)
    shuffled = [value(scorer, SUBJECT.true_explanation(names[i - 3]), views[names[i]]) for i in range(len(names))]
    assert np.mean([each for each in shuffled if each is not None]) == pytest.approx(0.5, abs=0.1)
    pairs = [
        (unit, falsehood)
        for unit in scored
        for falsehood in SUBJECT.false_explanations(unit)
        if differs(unit, falsehood, views[unit])
    ]
    lost = [pair for pair in pairs if (value(scorer, pair[1], views[pair[0]]) or 0) >= scored[pair[0]]]
    assert len(pairs) >= 10
    told = {(SUBJECT.true_explanation(unit), falsehood) for unit, falsehood in lost}
    assert told == (ALIKE if name == "detection" else set())


@pytest.mark.parametrize("name", SCORERS)
def test_chance_is_at_the_floor(name: str, views: dict[UnitId, SplitView]) -> None:
    scorer = SCORERS[name](OracleModel(OracleConfig(random=True)))
    values = [value(scorer, SUBJECT.true_explanation(unit), view) for unit, view in views.items()]
    assert np.mean([each for each in values if each is not None]) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("left_out", ["{{ explanation }}", "{{ listed(texts) }}"])
def test_a_prompt_that_leaves_something_out_is_at_the_floor(
    left_out: str, views: dict[UnitId, SplitView], tmp_path: Path
) -> None:
    template = Path(__file__).parents[2] / "src/neurogloss/builtin/prompts/detection.jinja"
    text = template.read_text(encoding="utf-8")
    assert left_out in text
    (tmp_path / "mine.jinja").write_text(text.replace(left_out, ""), encoding="utf-8")
    config = DetectionConfig(prompt=str(tmp_path / "mine.jinja"), **HOW)
    scorer = DetectionScorer(config, OracleModel(OracleConfig()), (RANDOM, NEIGHBOURS, BEGINNINGS))
    values = [value(scorer, SUBJECT.true_explanation(unit), view) for unit, view in views.items()]
    assert np.mean([each for each in values if each is not None]) == pytest.approx(0.5, abs=0.08)
