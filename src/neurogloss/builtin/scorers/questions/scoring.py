"""From answers to a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurogloss.builtin.scorers.metrics import Ends, middles, permutations, resamples
from neurogloss.builtin.scorers.questions.asking import Answer
from neurogloss.builtin.scorers.questions.configs import QuestionsConfig
from neurogloss.builtin.scorers.questions.metrics import METRICS, OF_COUNTS, counts
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

    def constants(self) -> np.ndarray:
        """What would be said if every answer were the same, for each answer: bool [answer question item]."""
        n = self.truth.shape[1]
        rows = np.array([[False], [True]]) if n == 1 else np.eye(n, dtype=bool)
        return np.repeat(rows[:, np.newaxis], len(self), axis=1)

    def measured(self, metric: Metric, among: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """A metric of what was said, float64 [resample part].

        Args:
            metric: Which.
            among: bool [part question item]: the items of each part.
            weights: float64 [resample question]: how often each question counts.
        """
        parts = among.reshape(len(among), -1)
        truth, per_item = self.truth.ravel(), self._per_item(weights)
        if metric.reads is Reads.LABELS:
            return OF_COUNTS[metric.name](*counts(parts & truth, parts & ~truth, self.said.ravel(), per_item))
        assert self.scores is not None
        scores = self.scores.ravel()
        return np.stack([metric.weighted(truth[part], scores[part], per_item[:, part]) for part in parts], axis=-1)

    def counts_if(self, said: np.ndarray) -> tuple[np.ndarray, ...]:
        """The four counts if something else had been said, [... question item]: each [...]."""
        truth = self.truth.ravel()
        return counts(truth, ~truth, said.reshape(len(said), -1), np.ones(truth.size))

    def _per_item(self, weights: np.ndarray) -> np.ndarray:
        n = self.truth.shape[1]
        return weights if n == 1 else np.repeat(weights, n, axis=-1)  # those of one item each are not copied


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
    weights = _weights(items, config)
    parts, names = {"": np.ones_like(items.truth)}, {"": tuple(METRICS)}
    for group in np.unique(items.groups).tolist():
        true, parts[f".{group}"] = items.beside_the_rest(group)
        names[f".{group}"] = _OF_TRUE_ITEMS if true else _OF_FALSE_ITEMS
    found: dict[str, Measure] = {}
    for metric in METRICS.values():
        if metric.reads is Reads.LABELS or items.scores is not None:
            of = [part for part in parts if metric.name in names[part]]
            values = items.measured(metric, np.stack([parts[part] for part in of]), weights).T
            for part, row, ends in zip(of, values, middles(values[:, 1:]), strict=True):
                found[f"{metric.name}{part}"] = _measure(metric, float(row[0]), ends)
    in_order = (f"{name}{part}" for part in parts for name in names[part])
    constants = {
        f"{name}.constant": Measure(value, insensitive_to=METRICS[name].insensitive_balanced)
        for name, value in _best_constants(items).items()
    }
    return {name: found[name] for name in in_order if name in found} | constants


def _weights(items: Items, config: QuestionsConfig) -> np.ndarray:
    """How often each question counts, float64 [1 + resample question]: once, and in resamples of the documents."""
    documents, rows = np.unique(items.documents, return_inverse=True)
    once = np.ones((1, len(items)))
    if len(documents) < 2 or not config.n_bootstrap:
        return once
    return np.concatenate([once, resamples(len(documents), config.n_bootstrap, config.seed)[:, rows]])


def _measure(metric: Metric, value: float, ends: Ends) -> Measure:
    if not np.isfinite(value):
        return Measure(None, insensitive_to=metric.insensitive_balanced)
    return Measure(value, *ends, metric.insensitive_balanced)


def _best_constants(items: Items) -> dict[str, float | None]:
    """What every metric of labels is worth at most if all answers are the same; `None` where it is not defined."""
    of_counts = items.counts_if(items.constants())
    values = {name: metric(*of_counts) for name, metric in OF_COUNTS.items()}
    return {name: float(np.nanmax(row)) if np.isfinite(row).any() else None for name, row in values.items()}


def _floors(items: Items, config: QuestionsConfig) -> dict[str, float]:
    constant = _best_constants(items)[HEADLINE]
    floors = {} if constant is None else {"constant": constant}
    if config.n_permutations:
        said = items.said[permutations(len(items), config.n_permutations, config.seed)]
        chance = OF_COUNTS[HEADLINE](*items.counts_if(said))
        if np.isfinite(chance).all():
            floors["shuffled"] = float(np.quantile(chance, 0.95))
    return floors
