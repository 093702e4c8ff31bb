"""Intruder: which text does not belong to the others?"""

from __future__ import annotations

from collections.abc import Sequence

from neurogloss.builtin.scorers.questions.asking import Form
from neurogloss.builtin.scorers.questions.base import QuestionScorer
from neurogloss.builtin.scorers.questions.configs import IntruderConfig
from neurogloss.builtin.scorers.questions.examples import intruder_examples
from neurogloss.builtin.scorers.questions.question import Questionnaire
from neurogloss.builtin.scorers.questions.selecting import by_name, check_split, generator, negatives, positives
from neurogloss.builtin.scorers.questions.which import others_texts, own_texts, questionnaire
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.explanations import Explanation, ProseExplanation
from neurogloss.records.failures import Failure
from neurogloss.records.unit_records import SplitView


class IntruderScorer(QuestionScorer):
    """Shows texts on which the unit fires and one on which it does not, and asks which one that is.

    With `marked` the tokens on which it fires are marked, and in the intruder as many others, at like
    places.

    As in the literature no explanation is shown, so that the answers tell how much the unit's texts
    have in common that a language model can see: every explanation of a unit gets the same score,
    which is a ceiling for what words can say of it rather than a judgement of the words. With
    `with_explanation` the explanation is shown, and is what is judged.

    Source: Paulo and Belrose 2025, "Evaluating SAE interpretability without explanations".
    """

    def __init__(self, config: IntruderConfig, llm: LanguageModel, negatives: Negatives | Sequence[Negatives]) -> None:
        super().__init__(config, llm, Form.which(config.n_texts, "Intruder"))
        self._config = config
        self.examples = intruder_examples(marked=config.marked)
        self._negatives = by_name(config.negatives, negatives)
        self.accepts = (ProseExplanation,) if config.with_explanation else (Explanation,)

    def told(self, explanation: Explanation) -> str | None:
        """See `QuestionScorer.told`."""
        return explanation.summary() if self._config.with_explanation else None

    def questions(self, view: SplitView) -> Questionnaire | Failure:
        """See `QuestionScorer.questions`."""
        config, rng = self._config, generator(view, self._config.seed)
        intruders, texts = negatives(view, self._negatives, config.n_questions), positives(view, config.positives)
        check_split(view, (*intruders, *texts))
        own = own_texts(view, texts, config)
        return questionnaire(others_texts(view, intruders, own, config, rng), own, config, rng)
