"""Setting units of the planted transformer to 0 changes what the description says, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from neurogloss.records.tokens import Batch, TokenSequence
from neurogloss_transformers.planted.compiling import compile_model
from neurogloss_transformers.planted.description import Description
from neurogloss_transformers.planted.evaluator import EDGE_THRESHOLD, direct_effects, evaluate
from neurogloss_transformers.planted.reading import read_description

Make = Callable[..., list[TokenSequence]]
Outputs = dict[str, np.ndarray]
"""Each unit's output [seq pos feature]: a head's bits, a neuron's activation."""


class Planted:
    """The model, with every head's and neuron's output read and replaced at the output projections."""

    def __init__(self, description: Description, token_ids: np.ndarray) -> None:
        self.description = description
        self._ids = torch.from_numpy(token_ids)
        self._model: Any = compile_model(description)
        self._head_width = self._model.config.n_embd // self._model.config.n_head

    def run(self, replaced: Mapping[str, np.ndarray] | None = None) -> Outputs:
        """What each unit computes, before it is replaced."""
        outputs: Outputs = {}
        handles = []
        for layer, block in enumerate(self._model.transformer.h):
            heads = [head for head in self.description.heads if head.layer == layer]
            neurons = [neuron for neuron in self.description.neurons if neuron.layer == layer]
            columns = {
                head.name: range(head.index * self._head_width, head.index * self._head_width + len(head.moves))
                for head in heads
            }
            handles.append(self._hook(block.attn.c_proj, columns, outputs, replaced or {}))
            columns = {neuron.name: range(neuron.index, neuron.index + 1) for neuron in neurons}
            handles.append(self._hook(block.mlp.c_proj, columns, outputs, replaced or {}))
        with torch.no_grad():
            self._model.transformer(self._ids)
        for handle in handles:
            handle.remove()
        return outputs

    def _hook(
        self, module: Any, columns: Mapping[str, range], outputs: Outputs, replaced: Mapping[str, np.ndarray]
    ) -> Any:
        def read_and_replace(_: Any, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            changed = inputs[0].clone()
            for name, own in columns.items():
                outputs[name] = inputs[0][..., list(own)].numpy()
                if name in replaced:
                    changed[..., list(own)] = torch.from_numpy(replaced[name])
            return (changed,)

        return module.register_forward_pre_hook(read_and_replace)


@pytest.fixture(scope="module")
def sequences(planted_sequences: Make) -> list[TokenSequence]:
    return planted_sequences(read_description(), 12, longest=60, shortest=60)


def largest_changes(one: Outputs, other: Outputs) -> dict[str, float]:
    return {name: float(np.abs(one[name] - other[name]).max()) for name in one}


def test_an_edge_is_where_the_direct_effect_is_above_the_threshold(sequences: list[TokenSequence]) -> None:
    """Each unit in turn is 0, all others keep their values: only those that read it may change."""
    planted = Planted(read_description(), Batch.of(sequences).token_ids)
    description = planted.description
    truth: dict[tuple[str, str], float] = {}
    for sequence in sequences:
        for edge, effect in direct_effects(description, sequence.tokens).items():
            truth[edge] = max(effect, truth.get(edge, 0))
    assert {edge for edge, effect in truth.items() if effect > EDGE_THRESHOLD} == description.edges
    clean = planted.run()
    for upstream in description.units:
        frozen = {**clean, upstream: np.zeros_like(clean[upstream])}
        for downstream, change in largest_changes(planted.run(frozen), clean).items():
            edge = upstream, downstream
            assert (change > EDGE_THRESHOLD) == (edge in description.edges), f"{edge}: {change}"
            assert change == pytest.approx(truth.get(edge, 0), abs=1e-4), edge


def test_a_silenced_unit_changes_all_behind_it_as_evaluated(sequences: list[TokenSequence]) -> None:
    planted = Planted(read_description(), Batch.of(sequences[:3]).token_ids)
    description = planted.description
    clean = planted.run()
    for name in description.units:
        found = planted.run({name: np.zeros_like(clean[name])})
        for row in range(3):
            truth = evaluate(description, sequences[row].tokens, silenced=[name])
            expected = {each.name: truth.values[each.name][:, None] for each in description.neurons} | {
                head.name: np.stack([truth.bits[feature] for feature in head.features], axis=-1)
                for head in description.heads
            }
            behind = [other for other in description.units if other != name]
            np.testing.assert_allclose(
                np.concatenate([found[other][row] for other in behind], axis=-1),
                np.concatenate([expected[other] for other in behind], axis=-1),
                rtol=0,
                atol=1e-4,
                err_msg=name,
            )
