"""Prose from a short prompt: plain texts, and under each what fires in it."""

from __future__ import annotations

from neurogloss.builtin.explainers.asking import AskingExplainer
from neurogloss.builtin.explainers.asking_configs import SummaryConfig
from neurogloss.builtin.explainers.showing import MarkedPassage, passages, plain
from neurogloss.builtin.prompts.rendering import Conversation
from neurogloss.records.unit_records import SplitView


class SummaryExplainer(AskingExplainer[SummaryConfig]):
    """Asks with a fraction of the tokens of `token_activation`: only what fires has a number.

    Source of the form: Lee et al. 2023, "The importance of prompt tuning for automated neuron explanations".
    """

    def conversation(self, view: SplitView) -> Conversation:
        """The prompt that shows a unit's top records."""
        config = self._config
        own = passages(view.records.top[: config.n_records], config.window)
        firing = [tuple(token for token in passage if token[1] >= config.list_from) for passage in own]
        texts = [MarkedPassage(plain(passage).strip(), levels) for passage, levels in zip(own, firing, strict=True)]
        return self._prompt.render(passages=texts, listing=self.listing(view))
