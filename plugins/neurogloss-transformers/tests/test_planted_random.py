"""Random descriptions compile to what they say: nothing hangs on how the built-in one is made."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurogloss.records.tokens import Batch, TokenSequence
from neurogloss_transformers.configs import PlantedConfig
from neurogloss_transformers.planted.evaluator import evaluate
from neurogloss_transformers.planted.subject import PlantedSubject

WORDS = [f"{a}{b}" for a in "abcdefg" for b in "xyz"]


def random_description(seed: int, positions: int) -> dict[str, Any]:
    choose = random.Random(seed)
    classes = {f"class_{i}": choose.sample(WORDS, choose.randint(1, 8)) for i in range(choose.randint(2, 5))}
    features = ["first", *classes]

    def conditions(count: int) -> list[str]:
        return [choose.choice(["", "not "]) + feature for feature in choose.sample(features, min(count, len(features)))]

    layers = []
    for layer in range(choose.randint(1, 5)):
        heads: list[dict[str, Any]] = []
        for i in range(choose.randint(0, 3)):
            head: dict[str, Any] = {"name": f"head_{layer}_{i}", "attends": choose.choice(["previous", "last", "last"])}
            head["moves"] = choose.sample(features, choose.randint(1, min(3, len(features))))
            if head["attends"] == "last":
                head["key"] = conditions(choose.randint(1, 3))
                if choose.random() < 0.7:
                    head["query"] = conditions(len(head["key"]))
            heads.append(head)
        features += [f"{head['name']}.{feature}" for head in heads for feature in head["moves"]]
        neurons: list[dict[str, Any]] = []
        for i in range(choose.randint(1, 4)):
            rule = choose.choice(["all", "all", "any", "weights"])
            named = conditions(choose.randint(1, 4))
            value = {name: choose.uniform(-2, 2) for name in named} if rule == "weights" else named
            neurons.append({"name": f"neuron_{layer}_{i}", rule: value, "explanation": f"neuron {layer} {i}"})
            neurons[-1] |= {"bias": choose.uniform(-1, 1)} if rule == "weights" else {"scale": choose.uniform(0.1, 5)}
        features += [neuron["name"] for neuron in neurons if "all" in neuron]
        layers.append({"heads": heads, "neurons": neurons})
    return {"positions": positions, "classes": classes, "layers": layers}


@pytest.mark.parametrize(
    ("seed", "positions"), [*((seed, 20 + seed) for seed in range(15)), (97, 2), (98, 3), (99, 1024)]
)
def test_a_random_description_does_what_it_says(
    seed: int, positions: int, tmp_path: Path, planted_sequences: Callable[..., list[TokenSequence]]
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
