"""What a simulator returns for a sequence: a simulation, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurogloss.interfaces.simulator import Simulator
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import TokenSequence


def simulation_of(
    sequence: TokenSequence, expected: np.ndarray, top_level: int, probabilities: np.ndarray | None = None
) -> Simulation | Failure:
    """Spreads answers for pieces over their tokens, and counts the tokens without.

    Args:
        sequence: What was simulated.
        expected: float64 [piece]; NaN where the answer could not be read.
        top_level: The highest level of the scale.
        probabilities: float64 [piece level], where there are any.

    Returns:
        The simulation, or a failure if no piece has an answer.
    """
    values = sequence.per_token(expected)
    if np.isnan(values).all():
        return Failure(Reason.UNPARSABLE, f"no answer for any of {len(sequence.pieces)} tokens")
    distribution = None if probabilities is None else sequence.per_token(probabilities)
    n_unparsable = int(np.isnan(values[~sequence.special]).sum())
    return Simulation(sequence.id, values, top_level, distribution, n_unparsable)


def mismatch(simulator: Simulator, explanation: Explanation, sequences: Sequence[TokenSequence]) -> tuple[Failure, ...]:
    """The outcome of an explanation of a type that the simulator does not read."""
    read = ", ".join(accepted.__name__ for accepted in simulator.accepts)
    detail = f"{type(simulator).__name__} reads {read}, not {type(explanation).__name__}"
    return (Failure(Reason.MISMATCHED, detail),) * len(sequences)
