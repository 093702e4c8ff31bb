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
_OF_TRUE_ITEMS = (HEADLINE, "recall", "auc")
_OF_FALSE_ITEMS = (HEADLINE, "precision", "auc")
"""The measures of a part of the items, beside all that are the other way round."""


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
    """str [question item]"""
    documents: np.ndarray
    """str [question]"""

    @classmethod
    def of(cls, asked: Questionnaire, answers: Sequence[Answer | Failure]) -> Items:
        """The answered questions."""
        answered = [(q, a) for q, a in zip(asked.questions, answers, strict=True) if isinstance(a, Answer)]
        n = len(asked.questions[0].texts)
        first = 1 if n == 1 else 0  # of no and yes, yes is the item
        places = np.arange(first, first + n)
        told = all(answer.probabilities for _, answer in answered)
        return cls(
            truth=np.array([question.answer for question, _ in answered]).reshape(-1, 1) == places,
            said=np.array([answer.chosen for _, answer in answered]).reshape(-1, 1) == places,
            scores=np.array([(answer.probabilities or ())[first:] for _, answer in answered]) if told else None,
            groups=np.array([question.groups for question, _ in answered], dtype=str).reshape(-1, n),
            documents=np.array([question.document_id for question, _ in answered], dtype=str),
        )

    def __len__(self) -> int:
        """How many questions."""
        return len(self.truth)

    def beside_the_rest(self, group: str) -> tuple[bool, np.ndarray]:
        """Whether a group's items are true, and which items are its own or the other way round: [question item]."""
        own = self.groups == group
        true = bool(self.truth[own][0])
        return true, own | (self.truth != true)

    def constants(self) -> Iterator[np.ndarray]:
        """What would be said if every answer were the same, for each answer: [question item]."""
        n = self.truth.shape[1]
        for row in ([False], [True]) if n == 1 else np.eye(n, dtype=bool):
            yield np.tile(row, (len(self), 1))

    def measured(
        self,
        metric: Metric,
        among: np.ndarray | None = None,
        *,
        said: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """A metric of what was said.

        Args:
            metric: Which.
            among: bool [question item]: the items that count; all if left out.
            said: Read in place of what was said, [... question item].
            weights: float64 [... question]: how often each question counts.
        """
        read = (self.scores if metric.reads is Reads.SCORES else self.said) if said is None else said
        assert read is not None
        rows, columns = np.nonzero(np.ones_like(self.truth) if among is None else among)
        per_item = np.ones(len(self)) if weights is None else weights
        if not np.array_equal(rows, np.arange(len(self))):  # resamples of every question's one item are not copied
            per_item = per_item[..., rows]
        return metric.weighted(self.truth[rows, columns], read[..., rows, columns], per_item)


def score_of(
    scorer: str, asked: Questionnaire, answers: Sequence[Answer | Failure], config: QuestionsConfig
) -> Score | Failure:
    """The score, or why there is none.

    Measures are named `METRIC` and, for a part of the texts, `METRIC.GROUP`: of texts that fire beside
    all that do not, or the other way round. `METRIC.constant` is the best that one and the same answer
    to all questions would get.
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
    weights = _resampled(items, config)
    known = [metric for metric in METRICS.values() if metric.reads is Reads.LABELS or items.scores is not None]
    measures = {metric.name: _measure(metric, items, weights) for metric in known}
    for group in np.unique(items.groups).tolist():
        true, among = items.beside_the_rest(group)
        for name in _OF_TRUE_ITEMS if true else _OF_FALSE_ITEMS:
            if METRICS[name] in known:
                measures[f"{name}.{group}"] = _measure(METRICS[name], items, weights, among)
    for metric in known:
        if metric.reads is Reads.LABELS:
            value = _best_constant(items, metric)
            measures[f"{metric.name}.constant"] = Measure(value, insensitive_to=metric.insensitive_balanced)
    return measures


def _resampled(items: Items, config: QuestionsConfig) -> np.ndarray | None:
    """How often each question counts in resamples of the documents, float64 [resample question]; if there are any."""
    documents, rows = np.unique(items.documents, return_inverse=True)
    if len(documents) < 2 or not config.n_bootstrap:
        return None
    return resamples(len(documents), config.n_bootstrap, config.seed)[:, rows].astype(np.float64)


def _measure(metric: Metric, items: Items, weights: np.ndarray | None, among: np.ndarray | None = None) -> Measure:
    value = float(items.measured(metric, among))
    if not np.isfinite(value):
        return Measure(None, insensitive_to=metric.insensitive_balanced)
    low, high = (None, None) if weights is None else middle(items.measured(metric, among, weights=weights))
    return Measure(value, low, high, metric.insensitive_balanced)


def _best_constant(items: Items, metric: Metric) -> float | None:
    values = [float(items.measured(metric, said=said)) for said in items.constants()]
    return max((value for value in values if np.isfinite(value)), default=None)


def _floors(items: Items, config: QuestionsConfig) -> dict[str, float]:
    metric = METRICS[HEADLINE]
    constant = _best_constant(items, metric)
    floors = {} if constant is None else {"constant": constant}
    rng = np.random.default_rng(config.seed)
    if config.n_permutations:
        said = np.stack([rng.permutation(items.said) for _ in range(config.n_permutations)])
        chance = items.measured(metric, said=said)
        if np.isfinite(chance).all():
            floors["shuffled"] = float(np.quantile(chance, 0.95))
    return floors
