"""Scoring on natural text: where what the explanation says occurs, does the unit fire, and nowhere else?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurogloss.builtin.negatives.beginnings import BeginningNegatives
from neurogloss.builtin.negatives.configs import BeginningNegativesConfig
from neurogloss.builtin.prompts.rendering import shown
from neurogloss.builtin.scorers.configs import NaturalConfig
from neurogloss.builtin.scorers.questions.asking import Answer, Asker, Form
from neurogloss.builtin.scorers.questions.examples import detection_examples
from neurogloss.builtin.scorers.questions.question import Question, Questionnaire
from neurogloss.builtin.scorers.questions.selecting import (
    Chosen,
    check_split,
    generator,
    obstacle,
    positives,
    shown_part,
)
from neurogloss.builtin.scorers.ranking import AUC, AUPRC, Ranking, mean_of
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.scorer import Scorer, Verdict
from neurogloss.records.explanations import Explanation, ProseExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Measure, Score
from neurogloss.records.unit_records import SplitView

HEADLINE = "balanced_accuracy"


class NaturalScorer(Scorer):
    """Asks a language model in which natural texts occurs what the explanation says, and compares the unit's maxima.

    Half of the texts are records on which the unit fires, every second of them up to the first token on
    which it does; a quarter are such beginnings without that token, and a quarter spans the maxima of a
    sample of the split evenly by rank. Beginnings tell a gloss from one that is true of the same texts
    elsewhere. The language model is not told that there is a unit.

    Measures are `balanced_accuracy` (the mean of the share of texts where it occurs on which the unit fires,
    and of the others on which it does not), `responsiveness` (2 AUC - 1, the Gini coefficient, of the maxima
    of texts where it occurs against the others), the same as `auc`, `purity` (average precision when texts are
    ranked by their maxima) with `purity.constant` (what a constant unit would get: the share of texts where it
    occurs), and the means `mean.present` and `mean.absent`. Where the language model answers the same of every text
    these are 0.5 and 0, and flagged. Only the first notices both glosses that are too wide and too narrow.

    Source: Puri et al. 2025, "FADE: Why Bad Descriptions Happen to Good Features", which rates in three
    steps, leaves out the middle one, rates no beginnings, and takes the coefficient without its sign.
    """

    accepts = (ProseExplanation,)

    def __init__(self, config: NaturalConfig, llm: LanguageModel) -> None:
        self._config = config
        self._asker = Asker(config, llm, Form.yes_no(), config.per_request)

    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        """See `Scorer.score`."""
        if not isinstance(explanation, ProseExplanation):
            return Verdict(Failure(Reason.MISMATCHED, f"prose is needed, this is a {type(explanation).__name__}"))
        failure = obstacle(view)
        if failure is not None:
            return Verdict(failure)
        chosen = self._chosen(view)
        if len(chosen) < self._config.min_texts:
            detail = f"{len(chosen)} texts in split {view.split}, at least {self._config.min_texts} are needed"
            return Verdict(Failure(Reason.TOO_FEW_RECORDS, detail))
        maxima = [each.record.maximum for each in chosen]
        if min(maxima) == max(maxima):
            return Verdict(Failure(Reason.CONSTANT, f"the unit's maximum is {maxima[0]:g} in every text"))
        check_split(view, chosen)
        questions = [
            Question(
                (shown(shown_part(each.record, self._config.window).sequence.text),),
                answer=int(view.fires(each.record)),
                groups=(each.group,),
                document_id=each.record.sequence.document_id,
            )
            for each in chosen
        ]
        answers = await self._asker.ask(explanation.text, Questionnaire(tuple(questions)), detection_examples())
        return Verdict(self._score(chosen, answers, view.firing_value))

    def _chosen(self, view: SplitView) -> list[Chosen]:
        """The texts, in an order that depends on the unit and the seed alone."""
        config = self._config
        firing = positives(view, config.positives)[: config.n_texts // 2]
        taken = {each.record.sequence.id for each in firing}
        cut = BeginningNegatives(BeginningNegativesConfig()).records(view, config.n_texts + len(firing))
        before = [record for record in cut if record.sequence.id not in taken and "beginnings" in config.positives]
        before = before[: (config.n_texts - len(firing)) // 2]
        taken |= {record.sequence.id for record in before}
        sample = [r for r in view.on(view.pool(config.n_pool)) if r.counted.any() and r.sequence.id not in taken]
        sample.sort(key=lambda record: record.maximum)
        n_sampled = config.n_texts - len(firing) - len(before)
        places = np.unique(np.linspace(0, len(sample) - 1, n_sampled).round().astype(int))
        others = [(before, "before"), ([sample[i] for i in places if sample], "sample")]
        chosen = [*firing, *(Chosen(record, group) for records, group in others for record in records)]
        return [chosen[i] for i in generator(view, config.seed).permutation(len(chosen))]

    def _score(
        self, chosen: Sequence[Chosen], answers: Sequence[Answer | Failure], fires_from: float
    ) -> Score | Failure:
        config = self._config
        rated = [(each, answer) for each, answer in zip(chosen, answers, strict=True) if isinstance(answer, Answer)]
        missing = [answer for answer in answers if isinstance(answer, Failure)]
        if len(rated) < config.min_texts:
            return Failure(missing[0].reason, f"{len(missing)} of {len(answers)} texts not rated: {missing[0].detail}")
        ranking = Ranking(
            truth=np.array([bool(answer.chosen) for _, answer in rated]),
            scores=np.array([each.record.maximum for each, _ in rated]),
            groups=np.array([each.group for each, _ in rated]),
            documents=np.array([each.record.sequence.document_id for each, _ in rated]),
        )
        firing = ranking.firing(fires_from)
        n_unparsable = sum(each.reason is Reason.UNPARSABLE for each in missing)
        constant = ranking.truth.all() or not ranking.truth.any()
        flags = ["constant answers"] if constant else []
        if len(chosen) < config.n_texts:
            flags.append(f"{len(chosen)} of {config.n_texts} texts")
        if missing:
            flags.append(f"{len(missing)} of {len(answers)} texts not rated")
        return Score(
            scorer="natural",
            headline=HEADLINE,
            measures={
                HEADLINE: Measure(0.5) if constant else firing.measure(AUC.weighted, config),
                "responsiveness": Measure(0.0) if constant else ranking.measure(_gini, config),
                "auc": ranking.measure(AUC.weighted, config),
                "purity": ranking.measure(AUPRC.weighted, config),
                "purity.constant": Measure(float(ranking.truth.mean())),
                "mean.present": ranking.measure(mean_of(True), config),
                "mean.absent": ranking.measure(mean_of(False), config),
            },
            floors=firing.floors(AUC.weighted, config),
            ceiling=1.0,
            n_asked=len(answers),
            n_answered=len(rated),
            n_unparsable=n_unparsable,
            n_failed=len(missing) - n_unparsable,
            flags=tuple(flags),
        )


def _gini(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return 2 * AUC.weighted(truth, scores, weights) - 1
