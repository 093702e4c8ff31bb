"""Detection: does the unit fire on this text?"""

from __future__ import annotations

from collections.abc import Sequence

from neurogloss.builtin.prompts.rendering import shown
from neurogloss.builtin.scorers.questions.asking import Form
from neurogloss.builtin.scorers.questions.base import QuestionScorer
from neurogloss.builtin.scorers.questions.configs import DetectionConfig
from neurogloss.builtin.scorers.questions.examples import detection_examples
from neurogloss.builtin.scorers.questions.question import Questionnaire
from neurogloss.builtin.scorers.questions.selecting import (
    by_name,
    check_split,
    generator,
    negatives,
    positives,
    shown_part,
)
from neurogloss.builtin.scorers.questions.yes_no import proportioned, questionnaire
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.failures import Failure
from neurogloss.records.unit_records import SplitView


class DetectionScorer(QuestionScorer):
    """Asks of each text whether the unit fires anywhere in it.

    Texts that fire come from the top, quantile and importance records, texts that do not from the
    configured negatives. It does not see where in a text a unit fires, nor how strongly, and against
    random negatives alone it does not notice a gloss that is too broad in ways that random texts
    seldom show.

    Source: Paulo et al. 2024, "Automatically interpreting millions of features in large language models".
    """

    examples = detection_examples()

    def __init__(self, config: DetectionConfig, llm: LanguageModel, negatives: Negatives | Sequence[Negatives]) -> None:
        super().__init__(config, llm, Form.yes_no(), config.per_request)
        self._config = config
        self._negatives = by_name(config.negatives, negatives)

    def questions(self, view: SplitView) -> Questionnaire | Failure:
        """See `QuestionScorer.questions`."""
        config = self._config
        yes, no = positives(view, config.positives), negatives(view, self._negatives, config.n_negatives)
        counts = proportioned(len(yes), len(no), config)
        if isinstance(counts, Failure):
            return counts
        yes, no = yes[: counts[0]], no[: counts[1]]
        check_split(view, (*yes, *no))
        asked = [
            (each, shown(shown_part(each.record, config.window).sequence.text), answer)
            for found, answer in ((yes, 1), (no, 0))
            for each in found
        ]
        return questionnaire(asked, config, generator(view, config.seed))
