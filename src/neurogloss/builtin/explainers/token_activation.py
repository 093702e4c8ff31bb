"""Prose from tokens shown with their levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurogloss.builtin.explainers.asking import AskingExplainer
from neurogloss.builtin.explainers.asking_configs import TokenActivationConfig
from neurogloss.builtin.explainers.showing import Passage, example_passage, passages
from neurogloss.builtin.prompts.examples import EXAMPLES
from neurogloss.builtin.prompts.rendering import Conversation
from neurogloss.records.unit_records import SplitView


@dataclass(frozen=True)
class ShownUnit:
    """What a prompt shows of a unit."""

    passages: Sequence[Passage]
    repeat_below: float

    @property
    def sparse(self) -> bool:
        """The share of non-zero tokens is so small that they are repeated."""
        above = [level > 0 for passage in self.passages for _, level in passage]
        return sum(above) < self.repeat_below * len(above)


class TokenActivationExplainer(AskingExplainer[TokenActivationConfig]):
    """Asks a language model what the tokens with high levels have in common.

    Source: Bills et al. 2023, "Language models can explain neurons in language models".
    """

    def conversation(self, view: SplitView) -> Conversation:
        """The prompt that shows a unit's top records."""
        config = self._config
        records = view.records.top[: config.n_records]
        examples = [
            {
                "explanation": example.explanation,
                "unit": ShownUnit([example_passage(record) for record in example.records], config.repeat_below),
            }
            for example in EXAMPLES[: config.examples]
        ]
        unit = ShownUnit(passages(records, config.window), config.repeat_below)
        return self._prompt.render(unit=unit, examples=examples, listing=self.listing(view))
