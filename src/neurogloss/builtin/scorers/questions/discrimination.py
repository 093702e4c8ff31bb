"""Discrimination: which text is this unit's, and not a similar unit's?"""

from __future__ import annotations

from collections.abc import Sequence

from neurogloss.builtin.scorers.questions.asking import Form
from neurogloss.builtin.scorers.questions.base import QuestionScorer
from neurogloss.builtin.scorers.questions.configs import DiscriminationConfig
from neurogloss.builtin.scorers.questions.examples import discrimination_examples
from neurogloss.builtin.scorers.questions.question import Questionnaire
from neurogloss.builtin.scorers.questions.selecting import by_name, check_split, generator, negatives, positives
from neurogloss.builtin.scorers.questions.which import (
    others_texts,
    own_texts,
    questionnaire,
    where_neighbours_fire,
)
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.failures import Failure
from neurogloss.records.unit_records import SplitView


class DiscriminationScorer(QuestionScorer):
    """Shows a text on which the unit fires among texts on which similar units fire, and asks which is this unit's.

    The unit fires on none of the others. With `marked` the tokens on which it fires are marked, and in the
    others those on which a similar unit fires or, where none is known to, as many as in the unit's own.
    A gloss that fits a whole family of units fails here, however well it does against random texts. The
    answer may be found by exclusion, so a gloss that is too narrow is noticed less.
    """

    def __init__(
        self, config: DiscriminationConfig, llm: LanguageModel, negatives: Negatives | Sequence[Negatives]
    ) -> None:
        super().__init__(config, llm, Form.which(config.n_texts))
        self._config = config
        self.examples = discrimination_examples(marked=config.marked)
        self._negatives = by_name(config.negatives, negatives)

    def questions(self, view: SplitView) -> Questionnaire | Failure:
        """See `QuestionScorer.questions`."""
        config, rng = self._config, generator(view, self._config.seed)
        wanted = config.n_questions * (config.n_texts - 1)
        texts, others = positives(view, config.positives), negatives(view, self._negatives, wanted)
        check_split(view, (*texts, *others))
        own = own_texts(view, texts, config)
        known = where_neighbours_fire(view, others, config.window) if config.marked else {}
        return questionnaire(own, others_texts(view, others, own, config, rng, known), config, rng)
