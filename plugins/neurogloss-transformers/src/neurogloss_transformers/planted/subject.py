"""The subject `planted`: a transformer whose units have known functions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from neurogloss.errors import SubjectError
from neurogloss.records.tokens import TokenSequence
from neurogloss.records.units import Site, UnitId
from neurogloss_transformers.configs import BosPolicy, PlantedConfig, TransformersSubjectConfig
from neurogloss_transformers.loading import choose_device
from neurogloss_transformers.planted.description import Neuron
from neurogloss_transformers.planted.evaluator import evaluate, formula_values
from neurogloss_transformers.planted.reading import read_description
from neurogloss_transformers.subject import TransformersSubject
from neurogloss_transformers.tokenizing import DocumentTokenizer

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

_NEVER = "nothing: it never fires"


class PlantedSubject(TransformersSubject):
    """A GPT-2 with constructed weights, read like any other model.

    In float32 an activation is within 1e-5 of the sum of its neuron's weights (times its scale) of the truth, and 0
    exactly where the truth is 0. Units beyond those that the description gives a layer never fire.
    """

    def __init__(self, config: PlantedConfig) -> None:
        super().__init__(
            TransformersSubjectConfig(
                model="planted", device=config.device, attention=config.attention, bos=BosPolicy.always
            )
        )
        self.description = read_description(config.description)
        """What is planted."""

    def identity(self) -> Mapping[str, str]:
        attention = self._config.attention or "default"
        return {"subject": "planted", "description": self.description.sha256, "attention": attention}

    def true_explanation(self, unit: UnitId) -> str:
        """What the unit does, in words; that it never fires, where it never does.

        Raises:
            SubjectError: There is no such unit.
        """
        neuron = self._neuron(unit)
        return neuron.explanation if neuron else _NEVER

    def paraphrases(self, unit: UnitId) -> tuple[str, ...]:
        """The true explanation in other words.

        Raises:
            SubjectError: There is no such unit.
        """
        neuron = self._neuron(unit)
        return neuron.paraphrases if neuron else ()

    def false_explanations(self, unit: UnitId) -> tuple[str, ...]:
        """Explanations that are wrong, the nearest to the truth first.

        Raises:
            SubjectError: There is no such unit.
        """
        neuron = self._neuron(unit)
        return tuple(claim.text for claim in neuron.false_explanations) if neuron else ()

    def true_values(self, explanation: str, sequence: TokenSequence) -> np.ndarray | None:
        """What a unit would do if the explanation were true.

        Args:
            explanation: Any text that one of the other methods returns, of any unit.
            sequence: Where the unit would be read.

        Returns:
            float64 [pos], 0 at special tokens; `None` for a text of which the description does not say
            what it means.
        """
        if explanation == _NEVER:
            return np.zeros(len(sequence))
        claim = self.description.claims.get(explanation)
        if claim is None:
            return None
        formula, scale = claim
        words = [
            "" if special else token.strip().lower()
            for token, special in zip(sequence.tokens, sequence.special, strict=True)
        ]
        values = scale * formula_values(formula, evaluate(self.description, words).bits)
        values[sequence.special] = 0
        return values

    def _neuron(self, unit: UnitId) -> Neuron | None:
        """The neuron, if there is one that fires under this polarity."""
        site = self._sites.get(unit.site)
        if site is None or site.layer is None or unit.index >= site.n_units:
            raise SubjectError(
                f"The planted subject has no unit {unit}.",
                known=f"It has {', '.join(f'{each.name}/0 to {each.n_units - 1}' for each in self.sites())}.",
            )
        # After a ReLU nothing is negative.
        return self.description.neuron_at(site.layer, unit.index) if unit.polarity == "+" else None

    @cached_property
    def _documents(self) -> DocumentTokenizer:
        from neurogloss_transformers.planted.compiling import make_tokenizer

        return DocumentTokenizer(make_tokenizer(self.description), self._config.bos)

    @cached_property
    def _model(self) -> PreTrainedModel:
        from neurogloss_transformers.planted.compiling import compile_model

        model: nn.Module = compile_model(self.description, self._config.attention)
        return cast("PreTrainedModel", model.to(choose_device(self._config.device)))

    @cached_property
    def _sites(self) -> dict[str, Site]:
        width = max((neuron.index + 1 for neuron in self.description.neurons), default=1)
        names = [f"layers.{layer}.mlp" for layer in range(self.description.n_layers)]
        return {name: Site(name, width, "mlp", layer) for layer, name in enumerate(names)}
