"""The truth: what a description says, computed in float64; never looks at weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurogloss_transformers.planted.description import FIRST, Condition, Description, Formula, Head, Neuron

EDGE_THRESHOLD = 1e-3
"""An edge is where setting the upstream unit to 0 changes the downstream one by more than this."""

Bits = dict[str, np.ndarray]
"""Each feature's bits, float64 [pos]."""


@dataclass(frozen=True)
class Evaluation:
    """What happens on one sequence."""

    values: dict[str, np.ndarray]
    """Each neuron's activations by name, float64 [pos]."""
    attended: dict[str, np.ndarray]
    """The position to which each head attends, int64 [pos]."""
    bits: Bits
    """Each feature."""


def evaluate(description: Description, words: Sequence[str], silenced: Sequence[str] = ()) -> Evaluation:
    """What the description says of a sequence.

    Args:
        description: What is planted.
        words: The tokens in lower case, without white space; BOS and unknown words are any text that is no
            word of the description.
        silenced: Names of heads and neurons that are set to 0.
    """
    bits = {name: np.array([word in members for word in words], float) for name, members in description.classes.items()}
    bits[FIRST] = (np.arange(len(words)) == 0).astype(float)
    values, attended = {}, {}
    for name, unit in description.units.items():
        if isinstance(unit, Head):
            attended[name] = _attended(unit, bits, len(words))
            bits |= zip(unit.features, _moved(unit, bits, attended[name]) * (name not in silenced), strict=True)
        else:
            values[name] = _value(unit, bits) * (name not in silenced)
            bits[name] = values[name] / unit.scale
    return Evaluation(values, attended, bits)


def direct_effects(description: Description, words: Sequence[str]) -> dict[tuple[str, str], float]:
    """By how much each unit changes when one before it is set to 0 and all others stay as they are.

    Returns:
        For (upstream, downstream), the largest absolute change at any token: of a neuron's activation, or of
        the bits that a head moves. Pairs without a change are left out.
    """
    bits = evaluate(description, words).bits
    clean = {name: _output(unit, bits, len(words)) for name, unit in description.units.items()}
    effects = {}
    for upstream, unit in description.units.items():
        written = unit.features if isinstance(unit, Head) else (upstream,)
        without = bits | {feature: np.zeros(len(words)) for feature in written}
        for name, downstream in description.units.items():
            if set(written) & set(downstream.read):
                change = float(np.abs(_output(downstream, without, len(words)) - clean[name]).max(initial=0))
                if change:
                    effects[upstream, name] = change
    return effects


def _output(unit: Head | Neuron, bits: Bits, length: int) -> np.ndarray:
    """A neuron's activations [pos], or the bits that a head moves [feature pos]."""
    return _moved(unit, bits, _attended(unit, bits, length)) if isinstance(unit, Head) else _value(unit, bits)


def _attended(head: Head, bits: Bits, length: int) -> np.ndarray:
    if head.attends == "previous":
        return np.maximum(np.arange(length) - 1, 0)
    keys = np.array([_holds(condition, bits) for condition in head.key])
    queries = np.array([_holds(condition, bits) for condition in head.query]) if head.query else np.ones_like(keys)
    matches = np.where(np.tri(length, dtype=bool), queries.T @ keys, -1)
    last_best = length - 1 - matches[:, ::-1].argmax(axis=1)
    return np.where(matches[:, 1:].max(axis=1, initial=-1) > matches[:, 0], last_best, 0)


def _moved(head: Head, bits: Bits, attended: np.ndarray) -> np.ndarray:
    return np.array([bits[feature][attended] for feature in head.moves]).reshape(len(head.moves), len(attended))


def _value(neuron: Neuron, bits: Bits) -> np.ndarray:
    return neuron.scale * formula_values(neuron.formula, bits)


def formula_values(formula: Formula, bits: Bits) -> np.ndarray:
    """What a formula gives for the features of a sequence, float64 [pos]."""
    held = np.array([_holds(condition, bits) for condition in formula.conditions])
    match formula.rule:
        case "all":
            value = held.all(axis=0)
        case "any":
            value = held.sum(axis=0)
        case "weights":
            value = np.maximum(0.0, formula.bias + np.array(formula.weights) @ held)
    return np.asarray(value, dtype=np.float64)


def _holds(condition: Condition, bits: Bits) -> np.ndarray:
    return 1 - bits[condition.feature] if condition.negated else bits[condition.feature]
