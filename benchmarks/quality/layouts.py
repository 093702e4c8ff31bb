"""Whether cheaper layouts of the simulator `logprob` score lower than lines, with a request for each sequence.

On the synthetic units with their true explanations, simulated by SmolLM2 in process; paired over units.

Usage: .venv/bin/python benchmarks/quality/layouts.py RESULTS [FIRST:LAST] [DTYPE]

RESULTS is a JSON file to which the scores of units FIRST to LAST are added; the table is of all in it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurogloss.builtin.corpora.configs import SyntheticCorpusConfig
from neurogloss.builtin.corpora.generated import SyntheticCorpus
from neurogloss.builtin.scorers.configs import SimulationScorerConfig
from neurogloss.builtin.scorers.simulation import SimulationScorer
from neurogloss.builtin.simulators.configs import Layout, LogprobConfig
from neurogloss.builtin.simulators.logprob import LogprobSimulator
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.pipeline.collection import collect_units
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.units import UnitId
from neurogloss.store.activations import ActivationStore
from neurogloss_transformers.configs import LocalModelConfig
from neurogloss_transformers.local import LocalModel

LENGTH, N_RESAMPLES = 24, 10_000
LAYOUTS = {
    "lines": LogprobConfig(),
    "compact": LogprobConfig(layout=Layout.COMPACT),
    "lines, 5 sequences a request": LogprobConfig(sequences_per_request=5),
    "compact, 5 sequences a request": LogprobConfig(layout=Layout.COMPACT, sequences_per_request=5),
}
"""The first is what the others are compared with."""
Scores = dict[str, dict[str, float]]
"""The correlation for each unit and layout."""


async def score(llm: LanguageModel, part: slice, results: Path) -> None:
    """Adds the scores of units that are not there yet, on five top and five random records of the split `test`."""
    subject, found = SyntheticSubject(SyntheticConfig()), read(results)
    units = [UnitId(site.name, index) for site in subject.sites() for index in range(site.n_units)]
    wanted = [unit for unit in units[part] if str(unit) not in found]
    scorers = {
        name: SimulationScorer(SimulationScorerConfig(n_bootstrap=0, n_permutations=0), LogprobSimulator(config, llm))
        for name, config in LAYOUTS.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        store, plan = ActivationStore(Path(folder)), CollectionPlan(sequence_length=LENGTH)
        collected = collect_units(subject, SyntheticCorpus(SyntheticCorpusConfig()), units, plan, store, batch_size=64)
        for unit in wanted:
            view = collected.record(unit).view(Split.TEST)
            gloss = ProseExplanation(Provenance("known"), subject.true_explanation(unit))
            outcomes = {name: (await scorer.score(gloss, view)).outcome for name, scorer in scorers.items()}
            values = {name: each.value for name, each in outcomes.items() if isinstance(each, Score)}
            if len(values) == len(scorers):
                found[str(unit)] = {name: float(value) for name, value in values.items()}
                results.write_text(json.dumps(found), "utf-8")
                print(f"{unit}: {found[str(unit)]}", file=sys.stderr, flush=True)


def read(results: Path) -> Scores:
    """What is there."""
    found: Scores = json.loads(results.read_text("utf-8")) if results.exists() else {}
    return found


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean, and its 95 % interval by resampling units."""
    array, random = np.array(values), np.random.default_rng(0)
    means = array[random.integers(len(array), size=(N_RESAMPLES, len(array)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(array.mean()), float(low), float(high)


def table(scores: Scores) -> None:
    """Prints the means, the paired differences, and what follows."""
    values = {name: [each[name] for each in scores.values()] for name in LAYOUTS}
    first, *others = values
    print(f"| layout | correlation, mean of {len(scores)} units | 95 % |\n|---|---|---|")
    for name, its in values.items():
        print(_row(name, its))
    for name in others:
        less = [one - other for one, other in zip(values[name], values[first], strict=True)]
        _, least, most = interval(less)
        verdict = "lower" if most < 0 else "higher" if least > 0 else "cannot be told apart"
        verdict = verdict if interval(values[first])[1] > 0 else f"inconclusive: the interval of {first} includes 0"
        print(f"{_row(f'{name}, less {first}, paired', less)} {verdict}")


def _row(name: str, values: Sequence[float]) -> str:
    mean, low, high = interval(values)
    return f"| {name} | {mean:+.3f} | {low:+.3f} to {high:+.3f} |"


def main(results: Path, part: str, dtype: str) -> None:
    """Adds to the results, and prints them."""
    llm = LocalModel(LocalModelConfig(device="cpu", dtype=dtype))
    asyncio.run(score(llm, slice(*map(int, part.split(":"))), results))
    table(read(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(sys.argv[2:] + ["0:87", "float32"][len(sys.argv) - 2 :]))
