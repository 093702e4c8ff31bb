"""What explainers recover of a transformer whose functions are known, and whether true explanations beat false ones.

The oracle answers from the rendered request alone. Usage: planted.py [SEQUENCE_LENGTH]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from true_and_false import World, compare

from neurogloss.builtin.explainers.configs import ExecutableConfig, TokenTableConfig
from neurogloss.builtin.explainers.executable import ExecutableExplainer
from neurogloss.builtin.explainers.token_table import TokenTableExplainer
from neurogloss.builtin.llms.configs import OracleConfig
from neurogloss.builtin.llms.oracle import OracleModel
from neurogloss.builtin.llms.truth import Knowledge
from neurogloss.builtin.simulators.configs import RulesConfig, TableConfig
from neurogloss.builtin.simulators.rules import RulesSimulator
from neurogloss.builtin.simulators.table import TableSimulator
from neurogloss.builtin.subjects.unit_files import Claim
from neurogloss.interfaces.explainer import Explainer
from neurogloss.interfaces.simulator import Simulator
from neurogloss.pipeline.collection import collect_units
from neurogloss.records.explanations import Explanation
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import UnitRecord
from neurogloss.store.activations import ActivationStore
from neurogloss_transformers.configs import PlantedConfig, PlantedCorpusConfig
from neurogloss_transformers.planted.corpus import PlantedCorpus
from neurogloss_transformers.planted.description import Formula
from neurogloss_transformers.planted.evaluator import evaluate, formula_values
from neurogloss_transformers.planted.subject import PlantedSubject

EXACT = 1e-2
"""Of the unit's maximum: values nearer than this are the same (activations are stored in half precision)."""
SUBJECT = PlantedSubject(PlantedConfig())


def rule_of(formula: Formula, scale: float):
    """A formula of the description as a rule on words."""

    def rule(words: Sequence[str]) -> np.ndarray:
        bits = evaluate(SUBJECT.description, ["<bos>", *(word.strip().lower() for word in words)]).bits
        return scale * formula_values(formula, bits)[1:]

    return rule


def oracle(random: bool) -> OracleModel:
    """An oracle that knows what the description claims."""
    made = OracleModel(OracleConfig(random=random))
    made._knowledge = Knowledge(
        {text: Claim(text, rule_of(*claim), claim[1], text) for text, claim in SUBJECT.description.claims.items()}
    )
    return made


def recovered(explainer: Explainer, simulator: Simulator, record: UnitRecord) -> tuple[bool, bool] | None:
    """Whether what the explainer says of a unit fires at the same tokens, and has the same values, in all test records.

    `None` for a dead unit.
    """
    view = record.view(Split.TEST)
    (explanation, *_) = asyncio.run(explainer.explain(record.view(Split.EXPLAIN)))
    if view.dead or not isinstance(explanation, Explanation):
        return None
    records = (*view.records.top, *view.records.random)
    simulated = asyncio.run(simulator.simulate(explanation, [each.sequence for each in records]))
    assert all(isinstance(each, Simulation) for each in simulated)
    real = np.concatenate([each.values[each.counted] for each in records])
    found = np.concatenate([s.expected[r.counted] for s, r in zip(simulated, records, strict=True)])
    same_tokens = bool(((real >= view.firing_value) == (found >= view.firing_value)).all())
    return same_tokens, bool(np.abs(found - real).max() <= EXACT * view.maximum)


def main(sequence_length: int) -> None:
    """Prints both tables."""
    world = World(SUBJECT, PlantedCorpus(PlantedCorpusConfig()), oracle)
    plan = CollectionPlan(sequence_length=sequence_length, n_random=100)
    explainers = {
        "executable": (ExecutableExplainer(ExecutableConfig()), RulesSimulator(RulesConfig())),
        "token_table": (TokenTableExplainer(TokenTableConfig()), TableSimulator(TableConfig())),
    }
    print("| explainer | fire at the same tokens of all test records | have the same values there | of |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        store = ActivationStore(Path(folder))
        collected = collect_units(SUBJECT, world.corpus, world.units, plan, store, batch_size=64, token_means=True)
        for name, (explainer, simulator) in explainers.items():
            found = [recovered(explainer, simulator, collected.record(unit)) for unit in world.units]
            tokens, values = np.sum([each for each in found if each is not None], axis=0)
            print(f"| {name} | {tokens} | {values} | {sum(each is not None for each in found)} |", flush=True)
    print()
    compare(world, sequence_length)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
