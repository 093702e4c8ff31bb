"""Of how many units whose function is known an explainer says what they do.

    .venv/bin/python benchmarks/quality/recovered.py planted|synthetic EXPLAINER ... [--units N] [--top N] [--random N]

Explained from the split `explain`, simulated on the top and random records of `test`. Recovered is what fires at the
same tokens as the unit in all of them, or has its values there. `true` is the truth itself, read by a model that
answers by the truth, `chance` the same, read by one that answers anything; `NAME:local` asks SmolLM2 to explain and
to simulate.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from planted import planted_world
from true_and_false import World, synthetic_world

from neurogloss.builtin.explainers.asking_configs import (
    MaxActivatingConfig,
    SummaryConfig,
    TokenActivationConfig,
    TokenListConfig,
)
from neurogloss.builtin.explainers.configs import ExecutableConfig, TokenTableConfig
from neurogloss.builtin.explainers.executable import ExecutableExplainer
from neurogloss.builtin.explainers.max_activating import MaxActivatingExplainer
from neurogloss.builtin.explainers.summary import SummaryExplainer
from neurogloss.builtin.explainers.token_activation import TokenActivationExplainer
from neurogloss.builtin.explainers.token_list import TokenListExplainer
from neurogloss.builtin.explainers.token_table import TokenTableExplainer
from neurogloss.builtin.simulators.configs import LogprobConfig, RulesConfig, TableConfig
from neurogloss.builtin.simulators.logprob import LogprobSimulator
from neurogloss.builtin.simulators.rules import RulesSimulator
from neurogloss.builtin.simulators.table import TableSimulator
from neurogloss.interfaces.explainer import Explainer
from neurogloss.interfaces.simulator import Simulator
from neurogloss.pipeline.collection import collect_units
from neurogloss.pipeline.selection import select_units
from neurogloss.records.explanations import Explanation, ProseExplanation, Provenance
from neurogloss.records.failures import Failure
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView, UnitRecord
from neurogloss.store.activations import ActivationStore
from neurogloss_transformers.configs import LocalModelConfig
from neurogloss_transformers.local import LocalModel

EXACT = 1e-2
"""Of the unit's maximum: values nearer than this are the same (activations are stored in half precision)."""
SMALL = {"n_records": 5, "max_tokens": 40}
Asking = Callable[[LocalModel], Explainer]
PROSE: dict[str, Asking] = {
    "token_activation": lambda llm: TokenActivationExplainer(TokenActivationConfig(examples=1, **SMALL), llm),
    "max_activating": lambda llm: MaxActivatingExplainer(MaxActivatingConfig(examples=1, **SMALL), llm),
    "token_list": lambda llm: TokenListExplainer(TokenListConfig(**SMALL), llm),
    "summary": lambda llm: SummaryExplainer(SummaryConfig(**SMALL), llm),
}


class Truth(Explainer):
    """Says what is true."""

    def __init__(self, world: World) -> None:
        self._subject = world.subject

    async def explain(self, view: SplitView) -> tuple[Explanation | Failure, ...]:
        return (ProseExplanation(Provenance("true"), self._subject.true_explanation(view.unit)),)


def arm(name: str, world: World) -> tuple[Explainer, Simulator]:
    """The explainer of this name and what reads it."""
    label, _, how = name.partition(":")
    if how == "local":
        llm = LocalModel(LocalModelConfig())
        return PROSE[label](llm), LogprobSimulator(LogprobConfig(), llm)
    match name:
        case "executable":
            return ExecutableExplainer(ExecutableConfig()), RulesSimulator(RulesConfig())
        case "token_table":
            return TokenTableExplainer(TokenTableConfig()), TableSimulator(TableConfig())
        case "true" | "chance":
            return Truth(world), LogprobSimulator(LogprobConfig(), world.oracle(name == "chance"))
    raise SystemExit(f"There is no explainer {name}.")


async def measured(explainer: Explainer, simulator: Simulator, record: UnitRecord) -> tuple[float, float, float] | None:
    """How well what the explainer says of a unit is what it does.

    Returns:
        Whether it fires at the same tokens, whether it has the same values there, and F1 of the tokens at which it
        fires; `None` if there is no explanation, or a token of which nothing is said.
    """
    view = record.view(Split.TEST)
    (explanation, *_) = await explainer.explain(record.view(Split.EXPLAIN))
    if isinstance(explanation, Failure):
        return None
    records = (*view.records.top, *view.records.random)
    outcomes = await simulator.simulate(explanation, [each.sequence for each in records])
    simulated = [each for each in outcomes if isinstance(each, Simulation)]
    if len(simulated) < len(outcomes):
        return None
    real = np.concatenate([each.values[each.counted] for each in records])
    scale = [view.maximum / each.top_level if each.top_level else 1.0 for each in simulated]
    parts = zip(scale, simulated, records, strict=True)
    found = np.concatenate([factor * said.expected[each.counted] for factor, said, each in parts])
    if np.isnan(found).any():
        return None
    # A level is a number between, and 1e-9 is for its rounding.
    fires, said = real >= view.firing_value, found >= view.firing_value - 1e-9
    f1 = 2 * (fires & said).sum() / (fires.sum() + said.sum())
    return float((fires == said).all()), float(np.abs(found - real).max() <= EXACT * view.maximum), float(f1)


def main() -> None:
    """Prints a line for each explainer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=["planted", "synthetic"])
    parser.add_argument("explainers", nargs="+")
    parser.add_argument("--units", help="how many, drawn at random; all without")
    parser.add_argument("--top", type=int, default=20, help="top records of each split")
    parser.add_argument("--random", type=int, default=100, help="random records of each split")
    parser.add_argument("--sequence-length", type=int, default=64)
    options = parser.parse_args()
    world = planted_world() if options.subject == "planted" else synthetic_world()
    units = select_units([f"random:{options.units}" if options.units else "all"], world.subject.sites())
    plan = CollectionPlan(sequence_length=options.sequence_length, top_k=options.top, n_random=options.random)
    print("| explainer | fire at the same tokens | have the same values | mean F1 of firing tokens | of |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        store = ActivationStore(Path(folder))
        collected = collect_units(world.subject, world.corpus, units, plan, store, batch_size=64, token_means=True)
        records = [collected.record(unit) for unit in units]
        living = [record for record in records if not record.view(Split.TEST).dead]
        for name in options.explainers:
            arms: Any = arm(name, world)

            async def rows(arms: Any = arms) -> list[tuple[float, float, float] | None]:
                return [await measured(*arms, record) for record in living]

            said = [row for row in asyncio.run(rows()) if row is not None]
            tokens, values, f1 = np.sum(said, axis=0) if said else (0, 0, 0)
            missing = len(living) - len(said)
            note = f", {missing} without an explanation or a value" if missing else ""
            shown = f"{tokens:.0f} | {values:.0f} | {f1 / len(living):.2f} | {len(living)}{note}"
            print(f"| {name} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
