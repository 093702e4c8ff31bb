"""How often scorers that rank texts by meaning put a true explanation above a false one, on all synthetic units.

Usage: .venv/bin/python benchmarks/quality/text_scorers.py [N]: only every N-th unit
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurogloss.builtin.corpora.configs import SyntheticCorpusConfig
from neurogloss.builtin.corpora.generated import SyntheticCorpus
from neurogloss.builtin.embedders.configs import HashedWordsConfig
from neurogloss.builtin.embedders.hashed_words import HashedWordsEmbedder
from neurogloss.builtin.negatives.configs import RandomNegativesConfig
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.scorers.configs import EmbeddingScorerConfig
from neurogloss.builtin.scorers.embedding import EmbeddingScorer
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.interfaces.scorer import Scorer
from neurogloss.pipeline.collection import collect_units
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView
from neurogloss.records.units import UnitId
from neurogloss.store.activations import ActivationStore
from neurogloss_embeddings.configs import SentenceTransformersConfig
from neurogloss_embeddings.embedder import SentenceTransformersEmbedder

SUBJECT = SyntheticSubject(SyntheticConfig())
PLAN = CollectionPlan(sequence_length=24, top_k=10, n_random=20, per_bin=4, n_importance=4)
HOW: dict[str, Any] = {"n_bootstrap": 0, "n_permutations": 0}


def scorers() -> Mapping[str, Scorer]:
    """What is compared."""
    negatives = RandomNegatives(RandomNegativesConfig())
    minilm = SentenceTransformersEmbedder(SentenceTransformersConfig(device="cpu"))
    hashed = HashedWordsEmbedder(HashedWordsConfig())
    return {
        "embedding, all-MiniLM-L6-v2": EmbeddingScorer(EmbeddingScorerConfig(**HOW), minilm, negatives),
        "embedding, hashed_words": EmbeddingScorer(EmbeddingScorerConfig(**HOW), hashed, negatives),
    }


def living(root: Path) -> Mapping[UnitId, SplitView]:
    """The units that fire in the split `test`."""
    units = [UnitId(site.name, index) for site in SUBJECT.sites() for index in range(site.n_units)]
    corpus = SyntheticCorpus(SyntheticCorpusConfig())
    collected = collect_units(SUBJECT, corpus, units, PLAN, ActivationStore(root), batch_size=64)
    views = {unit: collected.record(unit).view(Split.TEST) for unit in units}
    return {unit: view for unit, view in views.items() if not view.dead}


def differs(unit: UnitId, falsehood: str, view: SplitView) -> bool:
    """Whether a false explanation is wrong about at least 5 % of the split's random tokens."""
    wrong: list[bool] = []
    for record in view.records.random:
        said = [SUBJECT.true_values(text, record.sequence) for text in (SUBJECT.true_explanation(unit), falsehood)]
        true, false = (values for values in said if values is not None)
        wrong += list(np.abs(true - false) > 1e-9)
    return float(np.mean(wrong)) >= 0.05


def value(scorer: Scorer, gloss: str, view: SplitView) -> float | None:
    """The score, where there is one."""
    verdict = asyncio.run(scorer.score(ProseExplanation(Provenance("benchmark"), gloss), view))
    return verdict.outcome.value if isinstance(verdict.outcome, Score) else None


def main(every: int) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        views = dict(list(living(Path(folder)).items())[::every])
        truths = {unit: SUBJECT.true_explanation(unit) for unit in views}
        names = list(views)
        print("| scorer | units scored | true | another unit's | true above false |")
        print("|---|---|---|---|---|")
        for name, scorer in scorers().items():
            true = {unit: found for unit in names if (found := value(scorer, truths[unit], views[unit])) is not None}
            others = [value(scorer, truths[names[i - 3]], views[unit]) for i, unit in enumerate(names)]
            pairs = [
                (true[unit], value(scorer, falsehood, views[unit]))
                for unit in true
                for falsehood in SUBJECT.false_explanations(unit)
                if differs(unit, falsehood, views[unit])
            ]
            won = sum(false is None or false < best for best, false in pairs)
            told = [each for each in others if each is not None]
            mean = f"{np.mean(list(true.values())):.2f} | {np.mean(told):.2f}"
            print(f"| {name} | {len(true)} of {len(names)} | {mean} | {won} of {len(pairs)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
