"""Scorers that rank texts by how well an explanation fits them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from neurogloss.builtin.scorers.configs import TextsConfig
from neurogloss.builtin.scorers.questions.selecting import (
    Chosen,
    by_name,
    check_split,
    negatives,
    obstacle,
    positives,
)
from neurogloss.builtin.scorers.ranking import AUC, AUPRC, Ranking, difference, mean_of
from neurogloss.interfaces.negatives import Negatives
from neurogloss.interfaces.scorer import Scorer, Verdict
from neurogloss.records.explanations import Explanation, ProseExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Measure, Score
from neurogloss.records.unit_records import SplitView

_KINDS = ("top", "quantile", "importance")


class TextsScorer(Scorer):
    """Rates texts on which the unit fires and texts on which it does not, by the explanation.

    Measures are `auc` (how often a firing text is rated above another), `auc.GROUP` for the texts of
    one kind of record and for one kind of negatives, `auprc`, and the means of the ratings,
    `mean.firing` and `mean.other`, with their `difference`.
    """

    name: str
    """As it is registered."""
    accepts = (ProseExplanation,)

    def __init__(self, config: TextsConfig, negatives: Negatives | Sequence[Negatives]) -> None:
        self._config = config
        self._negatives = by_name(config.negatives, negatives)

    @abstractmethod
    async def rate(self, gloss: str, texts: Sequence[str]) -> Sequence[float | Failure]:
        """How well the gloss fits each text, higher where it fits better."""

    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        """See `Scorer.score`."""
        if not isinstance(explanation, ProseExplanation):
            return Verdict(Failure(Reason.MISMATCHED, f"prose is needed, this is a {type(explanation).__name__}"))
        failure = obstacle(view)
        if failure is not None:
            return Verdict(failure)
        config = self._config
        firing = positives(view, _KINDS)[: config.n_positives]
        others = negatives(view, self._negatives, config.n_negatives)
        if min(len(firing), len(others)) < config.min_each:
            found = f"{len(firing)} texts on which the unit fires and {len(others)} others in split {view.split}"
            return Verdict(Failure(Reason.TOO_FEW_RECORDS, f"{found}, at least {config.min_each} of each are needed"))
        chosen = (*firing, *others)
        check_split(view, chosen)
        ratings = await self.rate(explanation.text, [each.record.sequence.text for each in chosen])
        return Verdict(self._score(len(firing), chosen, ratings))

    def _score(self, n_firing: int, chosen: Sequence[Chosen], ratings: Sequence[float | Failure]) -> Score | Failure:
        config = self._config
        missing = [rating for rating in ratings if isinstance(rating, Failure)]
        rated = [i for i, rating in enumerate(ratings) if not isinstance(rating, Failure)]
        n_rated_firing = sum(i < n_firing for i in rated)
        if min(n_rated_firing, len(rated) - n_rated_firing) < config.min_each:
            detail = f"{len(missing)} of {len(ratings)} texts without a rating: {missing[0].detail}"
            return Failure(missing[0].reason, detail)
        ranking = Ranking(
            truth=np.array([i < n_firing for i in rated]),
            scores=np.array([ratings[i] for i in rated], dtype=np.float64),
            groups=np.array([chosen[i].group for i in rated]),
            documents=np.array([chosen[i].record.sequence.document_id for i in rated]),
        )
        n_unparsable = sum(each.reason is Reason.UNPARSABLE for each in missing)
        return Score(
            scorer=self.name,
            headline=AUC.name,
            measures=self._measures(ranking),
            floors=ranking.floors(AUC.weighted, config),
            ceiling=1.0,
            n_asked=len(ratings),
            n_answered=len(rated),
            n_unparsable=n_unparsable,
            n_failed=len(missing) - n_unparsable,
            flags=self._flags(ranking, n_firing, len(chosen), len(missing)),
        )

    def _measures(self, ranking: Ranking) -> Mapping[str, Measure]:
        config = self._config
        groups = dict.fromkeys(ranking.groups.tolist())
        return {
            "auc": ranking.metric(AUC, config),
            **{f"auc.{group}": ranking.taking(group).metric(AUC, config) for group in groups},
            "auprc": ranking.metric(AUPRC, config),
            "difference": ranking.measure(difference, config),
            "mean.firing": ranking.measure(mean_of(True), config),
            "mean.other": ranking.measure(mean_of(False), config),
        }

    def _flags(self, ranking: Ranking, n_firing: int, n: int, n_missing: int) -> tuple[str, ...]:
        config = self._config
        flags = ["constant ratings"] if ranking.constant else []
        if n_firing < config.n_positives:
            flags.append(f"{n_firing} of {config.n_positives} firing texts")
        if n - n_firing < config.n_negatives:
            flags.append(f"{n - n_firing} of {config.n_negatives} other texts")
        if n_missing:
            flags.append(f"{n_missing} of {n} texts without a rating")
        return tuple(flags)
