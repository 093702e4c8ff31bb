"""Prose from what a unit reads and what it writes."""

from __future__ import annotations

from collections.abc import Sequence

from neurogloss.builtin.explainers.asking import AskingExplainer
from neurogloss.builtin.explainers.asking_configs import ActivationsAndLogitsConfig
from neurogloss.builtin.explainers.showing import marked, marks_for, passages, plain
from neurogloss.builtin.prompts.rendering import Conversation, shown
from neurogloss.errors import ConfigError
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.output_weights import OutputWeights
from neurogloss.interfaces.subject import SubjectModel
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.unit_records import SplitView


class ActivationsAndLogitsExplainer(AskingExplainer[ActivationsAndLogitsConfig]):
    """Asks about the tokens at which a unit peaks, the tokens after them, and the output tokens that it promotes.

    Source of the form: Neuronpedia's automatic explanations from activations and logits.

    Raises:
        ConfigError: The subject cannot tell what its units write.
    """

    def __init__(self, config: ActivationsAndLogitsConfig, llm: LanguageModel, subject: SubjectModel) -> None:
        super().__init__(config, llm)
        if not isinstance(subject, OutputWeights):
            raise ConfigError(
                f"The explainer {config.template!r} shows what a unit writes, and this subject cannot tell.",
                known=f"{type(subject).__name__} is no OutputWeights.",
                remedy="Choose another subject, or another explainer, such as max_activating.",
            )
        self._weights = subject

    def conversation(self, view: SplitView) -> Conversation:
        """The prompt that shows a unit's peaks and its output tokens."""
        config = self._config
        records = [record for record in view.records.top[: config.n_records] if record.maximum > 0]
        own = passages(records, config.window)
        marks = marks_for(map(plain, own))
        written = self._weights.output_tokens(view.unit, config.logits)
        peaks, after = zip(*map(_peak_and_next, records), strict=True)
        return self._prompt.render(
            peaks=_different(peaks),
            after=_different(after),
            promoted=[shown(token) for token, logit in written.promoted if logit > 0],
            suppressed=[shown(token) for token, logit in written.suppressed if logit < 0],
            passages=[marked(passage, config.mark_from, marks) for passage in own],
            marks=marks,
            listing=self.listing(view),
        )


def _peak_and_next(record: ActivationRecord) -> tuple[str, str]:
    """The piece at which a record peaks and the one after it; empty at the end."""
    pieces = record.sequence.pieces
    at = next(i for i, piece in enumerate(pieces) if piece.start <= record.peak < piece.stop)
    return pieces[at].text, pieces[at + 1].text if at + 1 < len(pieces) else ""


def _different(tokens: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(shown(token) for token in tokens if token))
