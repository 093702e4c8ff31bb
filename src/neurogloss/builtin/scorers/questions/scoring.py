"""From answers to a score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from neurogloss.builtin.scorers.metrics import middle, resamples
from neurogloss.builtin.scorers.questions.asking import Answer
from neurogloss.builtin.scorers.questions.configs import QuestionsConfig
from neurogloss.builtin.scorers.questions.metrics import METRICS
from neurogloss.builtin.scorers.questions.question import Questionnaire
from neurogloss.interfaces.metric import Metric, Reads
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Measure, Score

HEADLINE = "balanced_accuracy"
_NEGATIVES = "negatives."
_OF_A_GROUP = (HEADLINE, "recall", "auc")
_OF_NEGATIVES = (HEADLINE, "precision", "auc")


@dataclass(frozen=True, eq=False)
class Items:
    """What was answered, as items that are true or false.

    A question about one text is one item. A question about several is an item for each text: is this
    the one? So chance is a balanced accuracy of 1/2 for both, however many texts there are.
    """

    truth: np.ndarray
    """bool [question item]"""
    said: np.ndarray
    """bool [question item]"""
    scores: np.ndarray | None
    """float64 [question item]: the probability that the item is true, where there is one."""
    groups: np.ndarray
    """str [question]"""
    documents: np.ndarray
    """str [question]"""

    @classmethod
    def of(cls, asked: Questionnaire, answers: Sequence[Answer | Failure]) -> Items:
        """The answered questions."""
        answered = [(q, a) for q, a in zip(asked.questions, answers, strict=True) if isinstance(a, Answer)]
        n = max((len(question.texts) for question in asked.questions), default=1)
        first = 1 if n == 1 else 0  # of no and yes, yes is the item
        places = np.arange(first, max(2, n))
        told = all(answer.probabilities for _, answer in answered)
        return cls(
            truth=np.array([question.answer for question, _ in answered]).reshape(-1, 1) == places,
            said=np.array([answer.chosen for _, answer in answered]).reshape(-1, 1) == places,
            scores=np.array([(answer.probabilities or ())[first:] for _, answer in answered]) if told else None,
            groups=np.array([question.group for question, _ in answered], dtype=str),
            documents=np.array([question.document_id for question, _ in answered], dtype=str),
        )

    def __len__(self) -> int:
        return len(self.truth)

    def taking(self, group: str) -> Items:
        """The questions of a group; where all of them have the same answer, with all questions that have another."""
        rows = self.groups == group
        if self.truth.shape[1] == 1:
            rows |= self.truth[:, 0] != self.truth[rows, 0][0]
        scores = None if self.scores is None else self.scores[rows]
        return Items(self.truth[rows], self.said[rows], scores, self.groups[rows], self.documents[rows])

    def constants(self) -> Iterator[np.ndarray]:
        """What would be said if every answer were the same, for each answer."""
        n = self.truth.shape[1]
        for answer in (False, True) if n == 1 else range(n):
            row = np.array([answer]) if n == 1 else np.arange(n) == answer
            yield np.tile(row, (len(self), 1))

    def measured(self, metric: Metric, said: np.ndarray | None = None, weights: np.ndarray | None = None) -> np.ndarray:
        """A metric of what was said, or of `said`, under weights [... question] of the questions."""
        read = (self.scores if metric.reads is Reads.SCORES else self.said) if said is None else said
        assert read is not None
        per_question = np.ones(len(self)) if weights is None else weights
        per_item = np.repeat(per_question, self.truth.shape[1], axis=-1)
        return metric.weighted(self.truth.ravel(), read.ravel(), per_item.astype(np.float64))


def score_of(
    scorer: str, asked: Questionnaire, answers: Sequence[Answer | Failure], config: QuestionsConfig
) -> Score | Failure:
    """The score, or why there is none.

    Measures are named `METRIC` and, for a part of the questions, `METRIC.GROUP`: of positives with all
    negatives, or of negatives with all positives. `METRIC.constant` is the best that one and the same
    answer to all of these questions would get.
    """
    missing = [answer for answer in answers if isinstance(answer, Failure)]
    items = Items.of(asked, answers)
    if not len(items):
        return Failure(missing[0].reason, f"{len(missing)} questions unanswered: {missing[0].detail}")
    n_unparsable = sum(each.reason is Reason.UNPARSABLE for each in missing)
    flags = list(asked.flags)
    if len(np.unique(items.said, axis=0)) == 1:
        flags.append("constant answers")
    if missing:
        flags.append(f"{len(missing)} of {len(answers)} questions unanswered")
    return Score(
        scorer=scorer,
        headline=HEADLINE,
        measures=_measures(items, config),
        floors=_floors(items, config),
        ceiling=1.0,
        n_asked=len(answers),
        n_answered=len(items),
        n_unparsable=n_unparsable,
        n_failed=len(missing) - n_unparsable,
        flags=tuple(flags),
    )


def _measures(items: Items, config: QuestionsConfig) -> dict[str, Measure]:
    known = [metric for metric in METRICS.values() if metric.reads is Reads.LABELS or items.scores is not None]
    measures = {metric.name: _measure(metric, items, config) for metric in known}
    for group in dict.fromkeys(items.groups.tolist()):
        part = items.taking(group)
        for name in _OF_NEGATIVES if group.startswith(_NEGATIVES) else _OF_A_GROUP:
            if METRICS[name] in known:
                measures[f"{name}.{group}"] = _measure(METRICS[name], part, config)
    for metric in known:
        if metric.reads is Reads.LABELS:
            value = _best_constant(items, metric)
            measures[f"{metric.name}.constant"] = Measure(value, insensitive_to=metric.insensitive_balanced)
    return measures


def _measure(metric: Metric, items: Items, config: QuestionsConfig) -> Measure:
    value = float(items.measured(metric))
    if not np.isfinite(value):
        return Measure(None, insensitive_to=metric.insensitive_balanced)
    documents, rows = np.unique(items.documents, return_inverse=True)
    low, high = None, None
    if len(documents) > 1 and config.n_bootstrap:
        weights = resamples(len(documents), config.n_bootstrap, config.seed)[:, rows]
        low, high = middle(items.measured(metric, weights=weights))
    return Measure(value, low, high, metric.insensitive_balanced)


def _best_constant(items: Items, metric: Metric) -> float | None:
    values = [float(items.measured(metric, said)) for said in items.constants()]
    return max((value for value in values if np.isfinite(value)), default=None)


def _floors(items: Items, config: QuestionsConfig) -> dict[str, float]:
    metric = METRICS[HEADLINE]
    constant = _best_constant(items, metric)
    floors = {} if constant is None else {"constant": constant}
    rng = np.random.default_rng(config.seed)
    chance = [float(items.measured(metric, rng.permutation(items.said))) for _ in range(config.n_permutations)]
    if chance and np.isfinite(chance).all():
        floors["shuffled"] = float(np.quantile(chance, 0.95))
    return floors
