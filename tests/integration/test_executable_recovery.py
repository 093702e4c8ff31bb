"""`executable` finds the words, prefixes, suffixes and patterns that units of the synthetic subject are made of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from neurogloss.builtin.corpora.configs import SyntheticCorpusConfig
from neurogloss.builtin.corpora.generated import SyntheticCorpus
from neurogloss.builtin.explainers.configs import ExecutableConfig
from neurogloss.builtin.explainers.executable import ExecutableExplainer
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.pipeline.collection import collect_units
from neurogloss.pipeline.selection import select_units
from neurogloss.pipeline.sequences import token_sequences
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.rules import RulesExplanation
from neurogloss.records.tokens import Batch, Split
from neurogloss.store.activations import ActivationStore

UNITS = ["layers.0.mlp/0:6", "layers.2.mlp/*", "layers.3.mlp/0:3"]


def test_nine_of_ten_rules_are_recovered_at_every_token(tmp_path: Path) -> None:
    subject, corpus, plan = (
        SyntheticSubject(SyntheticConfig()),
        SyntheticCorpus(SyntheticCorpusConfig()),
        CollectionPlan(),
    )
    units = select_units(UNITS, subject.sites())
    found = collect_units(subject, corpus, units, plan, ActivationStore(tmp_path), batch_size=32, token_means=True)
    sequences = list(token_sequences(subject, corpus, plan))
    seen = {token for sequence in sequences if sequence.split is Split.EXPLAIN for token in sequence.tokens}
    # Nothing but single tokens decides on these units, so each distinct token is asked about once.
    whole = {token: s for s in sequences for token in s.tokens}
    explainer = ExecutableExplainer(ExecutableConfig())
    recovered = []
    for unit in units:
        (explanation,) = asyncio.run(explainer.explain(found.record(unit).view(Split.EXPLAIN)))
        assert isinstance(explanation, RulesExplanation)
        assert len(explanation.rules) <= 20
        wrong = set()
        for sequence in {s.id: s for s in whole.values()}.values():
            values = subject.activations(Batch.of([sequence]), {unit.site: np.array([unit.index])})[unit.site][0, :, 0]
            differs = np.abs(np.array(explanation.predict(sequence.tokens)) - values) > 1e-6
            wrong |= {sequence.tokens[i] for i in np.flatnonzero(differs)}
        if not wrong or wrong & seen:  # else a member does not occur in the explain split, and cannot be known
            recovered.append(not wrong)
    assert len(recovered) >= 20
    assert np.mean(recovered) >= 0.9
