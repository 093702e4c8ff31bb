"""Prose from texts on which a unit fires, against texts on which it does not."""

from __future__ import annotations

from itertools import chain, zip_longest

from neurogloss.builtin.explainers.asking import AskingExplainer
from neurogloss.builtin.explainers.asking_configs import ContrastiveConfig
from neurogloss.builtin.explainers.showing import marked, marks_for, passages, plain
from neurogloss.builtin.prompts.rendering import Conversation
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.unit_records import SplitView


class ContrastiveExplainer(AskingExplainer[ContrastiveConfig]):
    """Asks what texts on which the unit fires have and similar texts on which it does not fire lack."""

    def __init__(
        self, config: ContrastiveConfig, llm: LanguageModel, negatives: Negatives | tuple[Negatives, ...]
    ) -> None:
        super().__init__(config, llm)
        self._negatives = negatives if isinstance(negatives, tuple) else (negatives,)

    def conversation(self, view: SplitView) -> Conversation | Failure:
        """The prompt that shows a unit's top records and its negatives."""
        config = self._config
        negatives = self._records(view)
        if not negatives:
            return Failure(Reason.TOO_FEW_RECORDS, f"no negatives in the {view.split} split")
        own = passages(view.records.top[: config.n_records], config.window)
        others = passages(negatives, config.window)
        marks = marks_for(map(plain, [*own, *others]))
        return self._prompt.render(
            passages=[marked(passage, config.mark_from, marks) for passage in own],
            negatives=[plain(passage).strip() for passage in others],
            marks=marks,
            listing=self.listing(view),
        )

    def _records(self, view: SplitView) -> list[ActivationRecord]:
        """Different negatives, one of each kind in turn."""
        n = self._config.n_negatives
        in_turn = chain.from_iterable(zip_longest(*(kind.records(view, n) for kind in self._negatives)))
        different = {record.sequence.id: record for record in in_turn if record is not None}
        return list(different.values())[:n]
