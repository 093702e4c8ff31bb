"""What neurons write equals the weights multiplied out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neurogloss.errors import SubjectError
from neurogloss.interfaces.output_weights import OutputWeights
from neurogloss.records.units import UnitId
from neurogloss_transformers.configs import TransformersSubjectConfig
from neurogloss_transformers.loading import load_model, load_tokenizer
from neurogloss_transformers.output_side import OutputSide
from neurogloss_transformers.subject import TransformersSubject

UNIT = UnitId("layers.1.mlp", 7, "-")


def gpt2(model: Any) -> tuple[Tensor, Tensor]:
    return model.transformer.h[1].mlp.c_proj.weight[7], model.transformer.ln_f.weight * model.transformer.wte.weight


def gpt_neox(model: Any) -> tuple[Tensor, Tensor]:
    direction = model.gpt_neox.layers[1].mlp.dense_4h_to_h.weight[:, 7]
    return direction, model.lm_head.weight * model.gpt_neox.final_layer_norm.weight


def llama(model: Any) -> tuple[Tensor, Tensor]:
    return model.model.layers[1].mlp.down_proj.weight[:, 7], model.lm_head.weight * model.model.norm.weight


def gemma(model: Any) -> tuple[Tensor, Tensor]:
    block = model.model.layers[1]
    direction = block.mlp.down_proj.weight[:, 7] * (1 + block.post_feedforward_layernorm.weight)
    return direction, model.lm_head.weight * (1 + model.model.norm.weight)


def phi(model: Any) -> tuple[Tensor, Tensor]:
    return model.model.layers[1].mlp.fc2.weight[:, 7], model.lm_head.weight * model.model.final_layernorm.weight


def opt(model: Any) -> tuple[Tensor, Tensor]:
    decoder = model.model.decoder
    tokens = model.lm_head.weight @ decoder.project_out.weight * decoder.final_layer_norm.weight
    return decoder.layers[1].fc2.weight[:, 7], tokens


BY_HAND: dict[str, Callable[[Any], tuple[Tensor, Tensor]]] = {
    "gpt2": gpt2,
    "gpt_neox": gpt_neox,
    "llama": llama,
    "mistral": llama,
    "qwen2": llama,
    "qwen3": llama,
    "gemma2": gemma,
    "gemma3": gemma,
    "phi": phi,
    "opt": opt,
}


@pytest.mark.parametrize("architecture", BY_HAND)
def test_directions_and_tokens_equal_the_hand_computation(architecture: str, tiny_folder: Callable[[str], str]) -> None:
    config = TransformersSubjectConfig(model=tiny_folder(architecture), device="cpu")
    subject = TransformersSubject(config)
    with torch.no_grad():
        direction, tokens = BY_HAND[architecture](load_model(config))
        logits = (tokens @ direction).numpy()
    directions = subject.output_directions(UNIT.site, np.array([3, UNIT.index]))
    assert directions.dtype == np.float32
    assert directions.shape == (2, 16)
    np.testing.assert_allclose(directions[1], direction.numpy(), rtol=1e-4, atol=1e-6)
    written = subject.output_tokens(UNIT, 3)
    tokenizer = load_tokenizer(config)
    lowest = np.argsort(logits)[:3]  # of the negative side, the lowest are promoted
    assert [text for text, _ in written.promoted] == [tokenizer.decode([i]) for i in lowest]
    np.testing.assert_allclose([logit for _, logit in written.promoted], -logits[lowest], rtol=1e-4)
    np.testing.assert_allclose([logit for _, logit in written.suppressed], -np.sort(logits)[::-1][:3], rtol=1e-4)


def test_the_polarities_mirror_each_other(tiny_folder: Callable[[str], str]) -> None:
    subject: OutputWeights = TransformersSubject(TransformersSubjectConfig(model=tiny_folder("llama"), device="cpu"))
    up, down = (subject.output_tokens(UnitId("layers.0.mlp", 2, polarity), 4) for polarity in ("+", "-"))
    assert up.promoted == tuple((text, -logit) for text, logit in down.suppressed)
    assert up.promoted[0][1] > up.promoted[3][1] > 0 > up.suppressed[0][1]


def test_a_gain_is_what_a_small_step_along_it_does(tiny_folder: Callable[[str], str]) -> None:
    """The whole model agrees: moving the last layer's output along a direction moves the logits as told."""
    config = TransformersSubjectConfig(model=tiny_folder("gemma2"), device="cpu")
    model = load_model(config)
    side = OutputSide(model)
    with torch.no_grad():
        direction = side.directions(model.model.layers[2].mlp.down_proj, np.array([5]))[0]
        stream = torch.randn(16, generator=torch.Generator().manual_seed(1))
        length = stream.pow(2).mean().sqrt()
        ahead, behind = (model.lm_head(model.model.norm(stream + step * direction)) for step in (0.01, -0.01))
        # What the norm's own scale changes is along the stream.
        moved = (ahead - behind) / 0.02 * length
        along = (stream @ direction) / (16 * length**2)
        expected = side.logits(direction) - along * side.logits(stream)
    torch.testing.assert_close(moved, expected, rtol=1e-2, atol=1e-3)


def test_unknown_units_are_refused(tiny_folder: Callable[[str], str]) -> None:
    subject = TransformersSubject(TransformersSubjectConfig(model=tiny_folder("llama"), device="cpu"))
    with pytest.raises(SubjectError, match="no unit 24"):
        subject.output_tokens(UnitId("layers.0.mlp", 24), 3)
    with pytest.raises(SubjectError, match="no site"):
        subject.output_directions("layers.7.mlp", np.array([0]))
