"""A description compiled to the weights of a GPT-2, and the tokenizer that goes with it.

A feature is a pair of dimensions of the residual stream: (1, -1) where it is true, (-1, 1) where it is false. So the
mean is 0 and the norm is a constant of the place in the network, and a LayerNorm whose gain is that constant changes
nothing. What a layer writes is false by its bias, and a unit at work turns it true: a unit set to 0 leaves a valid
stream. Token classes come from the token embeddings, `first` and the binary digits of the own and of the previous
position from the position embeddings.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, GPT2Config, PreTrainedModel, PreTrainedTokenizerFast

from neurogloss_transformers.planted.description import FIRST, Condition, Description, Head, Neuron

BOS, OTHER = "<bos>", "<other>"
_SATURATION = 64.0
"""By how much the best attention score is above the second: e^-64 is nothing in float32."""
_EPSILON = 1e-5
_ROUNDING = 4e-6
"""More than what float32 makes of a bit: a neuron that is 0 must not seem to fire a little."""


def compile_model(description: Description, attention: str | None = None) -> PreTrainedModel:
    """The `GPT2LMHeadModel` that does what the description says, on the CPU, in float32, in evaluation mode.

    Args:
        description: What is planted.
        attention: The attention implementation of transformers; `None` for its own choice.
    """
    return _Compiler(description).compile(attention)


def make_tokenizer(description: Description) -> PreTrainedTokenizerFast:
    """Words in lower case, numbers and single signs; all that is no word of the description is one token."""
    vocabulary = {word: i for i, word in enumerate((BOS, OTHER, *description.words))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=OTHER))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"\p{L}+|\p{Nd}+|\S"), "removed", invert=True)
    backend.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 0)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=BOS, unk_token=OTHER)


def save_model(description: Description, folder: str | Path) -> None:
    """Writes model and tokenizer as a folder that any tool loads, `subject=transformers` among them."""
    compile_model(description).save_pretrained(folder)
    make_tokenizer(description).save_pretrained(folder)


class _Compiler:
    def __init__(self, description: Description) -> None:
        self._description = description
        digits = math.ceil(math.log2(description.n_positions))
        self._own = [f"position {i}" for i in range(digits)]
        self._previous = [f"previous position {i}" for i in range(digits)]
        self._written = [[*self._own, *self._previous, FIRST, *description.classes]]
        """Features that are written together: by the embeddings, then by each layer's heads and neurons."""
        for layer in range(description.n_layers):
            self._written.append([f for head in description.heads if head.layer == layer for f in head.features])
            read = [each for each in description.neurons if each.layer == layer and description.readers[each.name]]
            self._written.append([neuron.name for neuron in read])
        features = [feature for written in self._written for feature in written]
        self._pair = {feature: 2 * i for i, feature in enumerate(features)}
        heads = description.heads
        self._n_heads = max((head.index + 1 for head in heads), default=1)
        needed = [max(digits, len(head.key) + 1, len(head.moves)) for head in heads]
        self._head_width = max(math.ceil(2 * len(features) / self._n_heads), *needed, 1)
        self._width = self._n_heads * self._head_width

    def compile(self, attention: str | None) -> PreTrainedModel:
        description = self._description
        config = GPT2Config(
            vocab_size=2 + len(description.words),
            n_positions=description.n_positions,
            n_embd=self._width,
            n_layer=description.n_layers,
            n_head=self._n_heads,
            n_inner=max((neuron.index + 1 for neuron in description.neurons), default=1),
            activation_function="relu",
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            layer_norm_epsilon=_EPSILON,
            scale_attn_weights=False,
            bos_token_id=0,
            eos_token_id=None,
        )
        with torch.random.fork_rng(devices=[]):
            model: Any = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
        model = model.to(torch.float32).eval().requires_grad_(False)
        for parameter in model.parameters():
            parameter.zero_()
        self._embed(model.transformer)
        norms = [norm for block in model.transformer.h for norm in (block.ln_1, block.ln_2)]
        for place, norm in enumerate([*norms, model.transformer.ln_f], start=1):
            n_pairs = sum(map(len, self._written[:place]))
            norm.weight.fill_(math.sqrt(2 * n_pairs / self._width + _EPSILON))
        for head in description.heads:
            self._plant_head(model.transformer.h[head.layer].attn, head)
        for neuron in description.neurons:
            self._plant_neuron(model.transformer.h[neuron.layer].mlp, neuron)
        compiled: PreTrainedModel = model
        return compiled

    def _embed(self, transformer: Any) -> None:
        for i, word in enumerate((BOS, OTHER, *self._description.words)):
            for name, words in self._description.classes.items():
                self._write(transformer.wte.weight[i], name, 1 if word in words else -1)
        for position, row in enumerate(transformer.wpe.weight):
            self._write(row, FIRST, 1 if position == 0 else -1)
            for digit, (own, previous) in enumerate(zip(self._own, self._previous, strict=True)):
                self._write(row, own, 2 * (position >> digit & 1) - 1)
                self._write(row, previous, 2 * (max(position - 1, 0) >> digit & 1) - 1)

    def _plant_head(self, attention: Any, head: Head) -> None:
        query, key, value = (
            (attention.c_attn.weight[:, columns], attention.c_attn.bias[columns])
            for part in range(3)
            for start in (part * self._width + head.index * self._head_width,)
            for columns in (slice(start, start + self._head_width),)
        )
        reach = _SATURATION * self._description.n_positions
        if head.attends == "previous":
            for column, (own, previous) in enumerate(zip(self._own, self._previous, strict=True)):
                # Digits as 1 and -1: one that differs takes the score down by twice the product.
                self._read(query, column, Condition(previous), 2.0, bias=-1.0)
                self._read(key, column, Condition(own), _SATURATION, bias=-_SATURATION / 2)
        else:
            for column, condition in enumerate(head.key):
                self._read(key, column, condition)
                if head.query:
                    self._read(query, column, head.query[column], reach)
                else:
                    query[1][column] = reach
            # Among equal matches the later is better by the saturation, and the first token is better than all.
            last = len(head.key)
            query[1][last] = 1.0
            self._read(key, last, Condition(FIRST), reach)
            for digit, own in enumerate(self._own):
                self._read(key, last, Condition(own), _SATURATION * 2**digit)
        for column, (source, target) in enumerate(zip(head.moves, head.features, strict=True)):
            self._read(value, column, Condition(source))
            self._turn_true(attention.c_proj, head.index * self._head_width + column, target)

    def _plant_neuron(self, mlp: Any, neuron: Neuron) -> None:
        inputs = mlp.c_fc.weight, mlp.c_fc.bias
        formula = neuron.formula
        bias = 1.0 - len(formula.conditions) if formula.rule == "all" else formula.bias
        if self._description.is_bit(neuron):
            # The sum is 1 where the neuron fires and at most 0 elsewhere, so a threshold between keeps rounding out.
            slope, threshold = neuron.scale * 16 / 15, 1 / 16
        else:
            slope, threshold = neuron.scale, _ROUNDING * sum(map(abs, formula.weights))
        for condition, weight in zip(formula.conditions, formula.weights, strict=True):
            self._read(inputs, neuron.index, condition, slope * weight)
        inputs[1][neuron.index] += slope * (bias - threshold)
        if neuron.name in self._pair:
            self._turn_true(mlp.c_proj, neuron.index, neuron.name, neuron.scale)

    def _write(self, row: torch.Tensor, feature: str, value: float) -> None:
        pair = self._pair[feature]
        row[pair : pair + 2] += torch.tensor([value, -value])

    def _read(
        self,
        inputs: tuple[torch.Tensor, torch.Tensor],
        column: int,
        condition: Condition,
        weight: float = 1.0,
        *,
        bias: float = 0.0,
    ) -> None:
        """Adds `weight` where the condition holds, and `bias`, to a column of an input's weight and bias."""
        sign = -1 if condition.negated else 1
        self._write(inputs[0][:, column], condition.feature, sign * weight / 4)
        inputs[1][column] += weight / 2 + bias

    def _turn_true(self, projection: Any, row: int, feature: str, active: float = 1.0) -> None:
        """Writes a feature: false where the unit in this row is 0, true where it is `active`."""
        self._write(projection.weight[row], feature, 2 / active)
        self._write(projection.bias, feature, -1)
