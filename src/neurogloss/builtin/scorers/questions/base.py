"""What all scorers that ask about texts do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from neurogloss.builtin.scorers.questions.asking import Asker, Example, Form
from neurogloss.builtin.scorers.questions.configs import QuestionsConfig
from neurogloss.builtin.scorers.questions.question import Questionnaire
from neurogloss.builtin.scorers.questions.scoring import score_of
from neurogloss.builtin.scorers.questions.selecting import obstacle
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.scorer import Scorer, Verdict
from neurogloss.records.explanations import Explanation, ProseExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.unit_records import SplitView


class QuestionScorer(Scorer):
    """Asks a language model questions about a unit, given its explanation.

    The questions depend on the unit, the split and the seed, never on the explanation, so that two
    explanations of a unit are asked about the same. What is not answered is counted and left out.
    Counts are of questions. Measures and floors are those of `scoring.score_of`; the ceiling is 1.
    """

    accepts: tuple[type[Explanation], ...] = (ProseExplanation,)
    examples: Sequence[Example]
    """Invented units with questions and their answers."""

    def __init__(self, config: QuestionsConfig, llm: LanguageModel, form: Form, per_request: int = 1) -> None:
        self._asker = Asker(config, llm, form, per_request)
        self._common = config

    @abstractmethod
    def questions(self, view: SplitView) -> Questionnaire | Failure:
        """The questions about a unit that fires in the view's split, or why there are too few.

        Raises:
            ValueError: A record is of another split, or one that is no negative fires.
        """

    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        """See `Scorer.score`."""
        if not isinstance(explanation, self.accepts):
            read = ", ".join(each.__name__ for each in self.accepts)
            return Verdict(Failure(Reason.MISMATCHED, f"the scorer reads {read}, not {type(explanation).__name__}"))
        asked = obstacle(view) or self.questions(view)
        if isinstance(asked, Failure):
            return Verdict(asked)
        answers = await self._asker.ask(self.told(explanation), asked, self.examples)
        return Verdict(score_of(self._common.template, asked, answers, self._common))

    def told(self, explanation: Explanation) -> str | None:
        """What the prompt says that the unit responds to; `None` if it does not say."""
        return explanation.summary()
