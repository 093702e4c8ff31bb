"""How often true explanations beat false ones, for each scorer that asks questions, on all synthetic units.

The oracle answers from the rendered request alone. Usage: true_and_false.py [SEQUENCE_LENGTH]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

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
from neurogloss.pipeline.collection import collect_units
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView
from neurogloss.records.units import UnitId
from neurogloss.store.activations import ActivationStore

DIFFERENT = 0.05
"""The least share of the test tokens about which a false explanation is wrong."""
SUBJECT = SyntheticSubject(SyntheticConfig())
UNITS = tuple(UnitId(site.name, index) for site in SUBJECT.sites() for index in range(site.n_units))


def scorers(llm: LanguageModel) -> dict[str, QuestionScorer]:
    """All of them, without intervals."""
    random, neighbours = RandomNegatives(RandomNegativesConfig()), NeighbourNegatives(NeighbourNegativesConfig())
    beginnings = BeginningNegatives(BeginningNegativesConfig())
    how: dict[str, Any] = {"n_bootstrap": 0, "n_permutations": 0}
    return {
        "detection": DetectionScorer(DetectionConfig(**how), llm, (random, neighbours, beginnings)),
        "fuzzing": FuzzingScorer(FuzzingConfig(**how), llm),
        "intruder": IntruderScorer(IntruderConfig(with_explanation=True, **how), llm, random),
        "discrimination": DiscriminationScorer(DiscriminationConfig(**how), llm, neighbours),
    }


def value(scorer: QuestionScorer, gloss: str, view: SplitView) -> float | None:
    """The score, where there is one."""
    found = asyncio.run(scorer.score(ProseExplanation(Provenance("known"), gloss), view)).outcome
    return found.value if isinstance(found, Score) else None


def different(true: str, false: str, view: SplitView) -> bool:
    """Whether the false explanation is wrong about enough of the random records' tokens."""
    wrong: list[bool] = []
    for record in view.records.random:
        values = [SUBJECT.true_values(text, record.sequence) for text in (true, false)]
        if values[0] is not None and values[1] is not None:
            wrong += list(np.abs(values[0] - values[1]) > 1e-9)
    return bool(wrong) and float(np.mean(wrong)) >= DIFFERENT


def main(sequence_length: int) -> None:
    """Prints a line for each scorer."""
    plan = CollectionPlan(sequence_length=sequence_length, top_k=20, n_random=60, per_bin=10, n_importance=10)
    with tempfile.TemporaryDirectory() as folder:
        corpus, store = SyntheticCorpus(SyntheticCorpusConfig()), ActivationStore(Path(folder))
        collected = collect_units(SUBJECT, corpus, UNITS, plan, store, batch_size=64)
        print("| scorer | units | true | the lowest | another's | chance | pairs won | of |")
        print("|---|---|---|---|---|---|---|---|")
        by_chance = scorers(OracleModel(OracleConfig(random=True)))
        for name, scorer in scorers(OracleModel(OracleConfig())).items():
            rows, won = [], []
            for place, unit in enumerate(UNITS):
                view, true = collected.record(unit).view(Split.TEST), SUBJECT.true_explanation(unit)
                known = value(scorer, true, view)
                if known is None:
                    continue
                other = SUBJECT.true_explanation(UNITS[(place + 37) % len(UNITS)])
                rows.append((known, value(scorer, other, view), value(by_chance[name], true, view)))
                false = [each for each in SUBJECT.false_explanations(unit) if different(true, each, view)]
                won += [(value(scorer, each, view) or 0) < known for each in false]
            means = np.array(rows, dtype=np.float64)
            lowest, (true_mean, others, chance) = means[:, 0].min(), means.mean(axis=0)
            print(
                f"| {name} | {len(rows)} | {true_mean:.3f} | {lowest:.3f} | {others:.3f} | {chance:.3f} "
                f"| {sum(won)} | {len(won)} |"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
