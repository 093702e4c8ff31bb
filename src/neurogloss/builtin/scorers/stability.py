"""Scoring by repetition: does the explainer say the same of other records of the unit?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from neurogloss.builtin.explainers.random_text import GLOSSES
from neurogloss.builtin.scorers.configs import StabilityConfig
from neurogloss.builtin.scorers.questions.selecting import obstacle
from neurogloss.interfaces.embedder import Embedder
from neurogloss.interfaces.explainer import Explainer
from neurogloss.interfaces.metric import EXTRA_LABELS, MISSING_LABELS, SHUFFLED_LABELS
from neurogloss.interfaces.scorer import Scorer, Verdict
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Measure, Score
from neurogloss.records.unit_records import SplitView

_BLIND = (MISSING_LABELS, EXTRA_LABELS, SHUFFLED_LABELS)
"""Explanations are compared with explanations, never with the unit."""


class StabilityScorer(Scorer):
    """Has the unit explained again from halves of the explain split, and compares what is said.

    Measures are `agreement` (the mean cosine between the explanation and the further ones), its
    `agreement.lowest`, and `agreement.among`, the mean cosine over pairs of the further ones. The floor
    `random_text` is the mean cosine between the further ones and glosses that have nothing to do with
    any unit; the ceiling is 1. It says nothing of whether an explanation is true: a wrong one may be
    stable. There is no interval: the further explanations share documents.

    An explainer that needs token means cannot explain a half, and fails there.
    """

    explains_again = True

    def __init__(self, config: StabilityConfig, explainer: Explainer, embedder: Embedder) -> None:
        self._config = config
        self._explainer = explainer
        self._embedder = embedder

    @cached_property
    def _random(self) -> np.ndarray:
        """Vectors of glosses that have nothing to do with any unit: float64 [gloss dimension]."""
        return self._embedder.embed(GLOSSES).astype(np.float64)

    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        """See `Scorer.score`."""
        failure = obstacle(view)
        if failure is not None:
            return Verdict(failure)
        whole, seed = view.explain(), self._config.seed
        halves = [whole.half(seed + i) for i in range(self._config.n_resamples)]
        explained = await asyncio.gather(*(self._explainer.explain(half) for half in halves))
        return Verdict(self._score(explanation, [outcomes[0] for outcomes in explained]))

    def _score(self, explanation: Explanation, outcomes: Sequence[Explanation | Failure]) -> Score | Failure:
        further = [outcome for outcome in outcomes if isinstance(outcome, Explanation)]
        missing = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        if len(further) < self._config.min_resamples:
            detail = f"{len(missing)} of {len(outcomes)} halves without an explanation: {missing[0].detail}"
            return Failure(missing[0].reason, detail)
        own, *others = self._embedder.embed([each.summary() for each in (explanation, *further)]).astype(np.float64)
        again = np.stack(others)
        cosines = again @ own
        among = (again @ again.T)[np.triu_indices(len(again), 1)]
        n_unparsable = sum(each.reason is Reason.UNPARSABLE for each in missing)
        return Score(
            scorer="stability",
            headline="agreement",
            measures={
                "agreement": Measure(float(cosines.mean()), insensitive_to=_BLIND),
                "agreement.lowest": Measure(float(cosines.min()), insensitive_to=_BLIND),
                "agreement.among": Measure(float(among.mean()) if len(among) else None, insensitive_to=_BLIND),
            },
            floors={"random_text": float((again @ self._random.T).mean())},
            ceiling=1.0,
            n_asked=len(outcomes),
            n_answered=len(further),
            n_unparsable=n_unparsable,
            n_failed=len(missing) - n_unparsable,
            flags=(f"{len(missing)} of {len(outcomes)} halves not explained",) if missing else (),
        )
