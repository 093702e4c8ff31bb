"""Random descriptions compile to what they say: nothing hangs on how the built-in one is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurogloss.records.tokens import Batch, TokenSequence
from neurogloss_transformers.configs import PlantedConfig
from neurogloss_transformers.planted.evaluator import evaluate
from neurogloss_transformers.planted.subject import PlantedSubject


@pytest.mark.parametrize(
    ("seed", "positions"), [*((seed, 20 + seed) for seed in range(15)), (97, 2), (98, 3), (99, 1024)]
)
def test_a_random_description_does_what_it_says(
    seed: int,
    positions: int,
    tmp_path: Path,
    planted_sequences: Callable[..., list[TokenSequence]],
    random_description: Callable[[int, int], dict[str, Any]],
) -> None:
    file = tmp_path / "random.json"
    file.write_text(json.dumps(random_description(seed, positions)))
    subject = PlantedSubject(PlantedConfig(str(file), device="cpu"))
    sequences = planted_sequences(subject.description, 4, longest=positions, shortest=positions // 2)
    found = subject.activations(Batch.of(sequences), {site.name: np.arange(site.n_units) for site in subject.sites()})
    for row, sequence in enumerate(sequences):
        truth = evaluate(subject.description, sequence.tokens).values
        for neuron in subject.description.neurons:
            own = found[f"layers.{neuron.layer}.mlp"][row, : len(sequence), neuron.index]
            np.testing.assert_allclose(own, truth[neuron.name], rtol=0, atol=1e-4, err_msg=neuron.name)
