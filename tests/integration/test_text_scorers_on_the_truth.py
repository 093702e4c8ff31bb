"""Scorers that run the unit, on units whose function is known, asked of an oracle that sees the request alone.

One unit in nine of the synthetic subject's, so that the test is short.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neurogloss.builtin.corpora.configs import SyntheticCorpusConfig
from neurogloss.builtin.corpora.generated import SyntheticCorpus
from neurogloss.builtin.llms.configs import OracleConfig
from neurogloss.builtin.llms.oracle import OracleModel
from neurogloss.builtin.scorers.configs import GenerateThenActivateConfig, NaturalConfig
from neurogloss.builtin.scorers.generate_then_activate import GenerateThenActivateScorer
from neurogloss.builtin.scorers.natural import NaturalScorer
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.scorer import Scorer
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
PLAN = CollectionPlan(sequence_length=24, top_k=10, n_random=20, per_bin=4, n_importance=4)
HOW: dict[str, Any] = {"n_bootstrap": 0, "n_permutations": 0}
ALIKE = {("tokens eleven to twenty of the text", "tokens eleven to fifteen of the text")}
"""Of the sample, what no text tells apart by whether or how strongly a unit fires in it: both start to fire at the same
token of the same texts."""
SCORERS: dict[str, tuple[Callable[[LanguageModel], Scorer], float]] = {
    "generate_then_activate": (
        lambda llm: GenerateThenActivateScorer(GenerateThenActivateConfig(n_texts=20, **HOW), llm),
        0.5,
    ),
    "natural": (lambda llm: NaturalScorer(NaturalConfig(**HOW), llm), 0.5),
}
"""How each is made, and its floor."""


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[UnitId, SplitView]:
    store = ActivationStore(tmp_path_factory.mktemp("activations"))
    corpus = SyntheticCorpus(SyntheticCorpusConfig(n_documents=700))
    collected = collect_units(SUBJECT, corpus, UNITS, PLAN, store, batch_size=64)
    found = {unit: collected.record(unit).view(Split.TEST) for unit in UNITS}
    return {unit: view for unit, view in found.items() if not view.dead}


def values(scorer: Scorer, views: dict[UnitId, SplitView], glosses: dict[UnitId, str]) -> dict[UnitId, float]:
    """The scores of those units that have one."""
    found = {
        unit: asyncio.run(scorer.score(prose_explanation(glosses[unit]), view)).outcome for unit, view in views.items()
    }
    return {unit: each.value for unit, each in found.items() if isinstance(each, Score) and each.value is not None}


def differs(unit: UnitId, falsehood: str, views: dict[UnitId, SplitView]) -> bool:
    """Whether a false explanation is wrong about at least 5 % of the split's random tokens."""
    wrong: list[bool] = []
    for record in views[unit].records.random:
        said = [SUBJECT.true_values(text, record.sequence) for text in (SUBJECT.true_explanation(unit), falsehood)]
        true, false = (values for values in said if values is not None)
        wrong += list(np.abs(true - false) > 1e-9)
    return float(np.mean(wrong)) >= 0.05


@pytest.mark.parametrize("name", SCORERS)
def test_the_truth_is_at_the_top_and_chance_at_the_floor(name: str, views: dict[UnitId, SplitView]) -> None:
    make, floor = SCORERS[name]
    truths = {unit: SUBJECT.true_explanation(unit) for unit in views}
    true = values(make(OracleModel(OracleConfig())), views, truths)
    assert len(true) >= 0.75 * len(views)
    assert min(true.values()) >= 0.95
    pairs = [(unit, text) for unit in true for text in SUBJECT.false_explanations(unit) if differs(unit, text, views)]
    false = [values(make(OracleModel(OracleConfig())), {unit: views[unit]}, {unit: text}) for unit, text in pairs]
    assert len(pairs) >= 10
    lost = [pair for pair, found in zip(pairs, false, strict=True) if found and found[pair[0]] >= true[pair[0]]]
    assert {(truths[unit], falsehood) for unit, falsehood in lost} == ALIKE
    names = list(views)
    shuffled = {unit: truths[names[i - 3]] for i, unit in enumerate(names)}
    others = values(make(OracleModel(OracleConfig())), views, shuffled)
    assert np.mean(list(others.values())) == pytest.approx(floor, abs=0.15)
    chance = values(make(OracleModel(OracleConfig(random=True))), views, truths)
    assert np.mean(list(chance.values())) == pytest.approx(floor, abs=0.1)
