"""Simulation of rules: they are run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurogloss.builtin.simulators.configs import RulesConfig
from neurogloss.builtin.simulators.outcomes import mismatch
from neurogloss.interfaces.simulator import Simulator
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure
from neurogloss.records.rules import RulesExplanation
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import TokenSequence


class RulesSimulator(Simulator):
    """Predicts, in activation units, what the rules give at each token's text; deterministic."""

    accepts = (RulesExplanation,)

    def __init__(self, config: RulesConfig) -> None:
        self.calibration = config.calibration

    async def simulate(
        self, explanation: Explanation, sequences: Sequence[TokenSequence]
    ) -> tuple[Simulation | Failure, ...]:
        """Runs the rules on every sequence; see `Simulator.simulate`."""
        if not isinstance(explanation, RulesExplanation):
            return mismatch(self, explanation, sequences)
        return tuple(_simulate(explanation, sequence) for sequence in sequences)


def _simulate(explanation: RulesExplanation, sequence: TokenSequence) -> Simulation:
    # A special token is no text: what comes after it begins a text.
    texts = [None if special else text for text, special in zip(sequence.tokens, sequence.special, strict=True)]
    return Simulation(sequence.id, np.array(explanation.predict(texts), dtype=np.float64), top_level=None)
