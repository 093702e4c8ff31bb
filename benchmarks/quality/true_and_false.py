"""How often true explanations beat false ones, for each scorer that asks a language model, on all synthetic units.

The oracle answers from the rendered request alone. Usage: true_and_false.py [SEQUENCE_LENGTH]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
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
from neurogloss.builtin.scorers.configs import GenerateThenActivateConfig, NaturalConfig
from neurogloss.builtin.scorers.generate_then_activate import GenerateThenActivateScorer
from neurogloss.builtin.scorers.natural import NaturalScorer
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
from neurogloss.interfaces.corpus import Corpus
from neurogloss.interfaces.ground_truth import GroundTruth
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.scorer import Scorer
from neurogloss.pipeline.collection import collect_units
from neurogloss.records.activations import levels
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView
from neurogloss.records.units import UnitId
from neurogloss.store.activations import ActivationStore

DIFFERENT = 0.05
"""The least share of the test tokens, or of the texts, about which a false explanation is wrong."""


@dataclass(frozen=True)
class World:
    """A subject whose truth is known, texts for it, and who answers by the truth, or at random."""

    subject: Any
    """A `SubjectModel` that is a `GroundTruth`."""
    corpus: Corpus
    oracle: Callable[[bool], LanguageModel]
    """From whether it answers at random to the language model."""

    @property
    def units(self) -> tuple[UnitId, ...]:
        """All units."""
        return tuple(UnitId(site.name, index) for site in self.subject.sites() for index in range(site.n_units))


def scorers(llm: LanguageModel) -> dict[str, Scorer]:
    """All of them, without intervals."""
    random, neighbours = RandomNegatives(RandomNegativesConfig()), NeighbourNegatives(NeighbourNegativesConfig())
    beginnings = BeginningNegatives(BeginningNegativesConfig())
    how: dict[str, Any] = {"n_bootstrap": 0, "n_permutations": 0}
    return {
        "detection": DetectionScorer(DetectionConfig(**how), llm, (random, neighbours, beginnings)),
        "fuzzing": FuzzingScorer(FuzzingConfig(**how), llm),
        "intruder, with the explanation": IntruderScorer(IntruderConfig(with_explanation=True, **how), llm, random),
        "discrimination": DiscriminationScorer(DiscriminationConfig(**how), llm, neighbours),
        "generate_then_activate": GenerateThenActivateScorer(GenerateThenActivateConfig(n_texts=20, **how), llm),
        "natural": NaturalScorer(NaturalConfig(**how), llm),
    }


def value(scorer: Scorer, gloss: str, view: SplitView) -> float | None:
    """The score, where there is one."""
    found = asyncio.run(scorer.score(ProseExplanation(Provenance("known"), gloss), view)).outcome
    return found.value if isinstance(found, Score) else None


def wrong_about(subject: GroundTruth, true: str, false: str, view: SplitView) -> tuple[float, float]:
    """The share of the random records' tokens, and of these records, about which the false explanation is wrong."""
    tokens, texts = [], []
    for record in view.records.random:
        said = [subject.true_values(text, record.sequence) for text in (true, false)]
        right, wrong = (values for values in said if values is not None)
        tokens += list(np.abs(right - wrong) > 1e-9)
        fires = [levels(values, max(values.max(), view.maximum)).max() >= 1 for values in (right, wrong)]
        texts.append(fires[0] != fires[1])
    return float(np.mean(tokens)), float(np.mean(texts))


def compare(world: World, sequence_length: int) -> None:
    """Prints a line for each scorer, and what it does not score or does not win."""
    subject = world.subject
    plan = CollectionPlan(sequence_length=sequence_length, top_k=20, n_random=60, per_bin=10, n_importance=10)
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        store = ActivationStore(Path(folder))
        collected = collect_units(subject, world.corpus, world.units, plan, store, batch_size=64)
        views = {unit: collected.record(unit).view(Split.TEST) for unit in world.units}
        views = {unit: view for unit, view in views.items() if not view.dead}
        truths = {unit: subject.true_explanation(unit) for unit in views}
        far = 37 % len(views)
        others = dict(zip(views, [*list(truths.values())[far:], *list(truths.values())[:far]], strict=True))
        print("| scorer | units | true | the lowest | another's | chance | pairs won | of | won by texts | of |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        by_chance = scorers(world.oracle(True))
        for name, scorer in scorers(world.oracle(False)).items():
            rows: list[tuple[float | None, ...]] = []
            won: dict[str, list[bool]] = {"tokens": [], "texts": []}
            for unit, view in views.items():
                known = value(scorer, truths[unit], view)
                if known is None:
                    notes.append(f"{name}: no score of {truths[unit]!r}")
                    continue
                rows.append((known, value(scorer, others[unit], view), value(by_chance[name], truths[unit], view)))
                if known < 1:
                    notes.append(f"{name}: {known:.3f} for {truths[unit]!r}")
                for false in subject.false_explanations(unit):
                    shares = wrong_about(subject, truths[unit], false, view)
                    if max(shares) < DIFFERENT:
                        continue
                    wins = (value(scorer, false, view) or 0) < known
                    for kind, share in zip(won, shares, strict=True):
                        won[kind] += [wins] if share >= DIFFERENT else []
                    if not wins and shares[0] >= DIFFERENT:
                        notes.append(f"{name}: {truths[unit]!r} does not beat {false!r}")
            means = np.array(rows, dtype=np.float64)
            lowest, (true_mean, others_mean, chance) = means[:, 0].min(), np.nanmean(means, axis=0)
            counts = " | ".join(f"{sum(each)} | {len(each)}" for each in won.values())
            shown = " | ".join(f"{each:.3f}" for each in (true_mean, lowest, others_mean, chance))
            print(f"| {name} | {len(rows)} | {shown} | {counts} |", flush=True)
    print("", *notes, sep="\n")


def synthetic_world() -> World:
    """The synthetic subject."""
    return World(
        SyntheticSubject(SyntheticConfig()),
        SyntheticCorpus(SyntheticCorpusConfig()),
        lambda random: OracleModel(OracleConfig(random=random)),
    )


if __name__ == "__main__":
    compare(synthetic_world(), int(sys.argv[1]) if len(sys.argv) > 1 else 24)
