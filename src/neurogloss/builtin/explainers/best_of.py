"""The best of several explanations."""

from __future__ import annotations

import asyncio

from neurogloss.builtin.explainers.choosing import Tried, chosen
from neurogloss.builtin.explainers.configs import BestOfConfig
from neurogloss.interfaces.explainer import Explainer
from neurogloss.interfaces.scorer import Scorer
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.unit_records import SplitView


class BestOfExplainer(Explainer):
    """Takes what one or more explainers say, scores each on `valid`, and keeps the best.

    The provenance lists all candidates with their scores, and those that failed with the reason.
    """

    def __init__(self, config: BestOfConfig, of: Explainer | tuple[Explainer, ...], by: Scorer) -> None:
        self._of = of if isinstance(of, tuple) else (of,)
        self._by = by
        self.needs_token_means = any(explainer.needs_token_means for explainer in self._of)

    async def explain(self, view: SplitView) -> tuple[Explanation | Failure, ...]:
        """One explanation; see `Explainer.explain`."""
        if view.dead:
            return (Failure(Reason.DEAD, f"never above 0 in the {view.split} split"),)
        outcomes = await asyncio.gather(*(explainer.explain(view) for explainer in self._of))
        tried = await asyncio.gather(*(self._try(outcome, view) for several in outcomes for outcome in several))
        return (chosen(tried, "best_of"),)

    async def _try(self, outcome: Explanation | Failure, view: SplitView) -> Tried:
        if isinstance(outcome, Failure):
            return Tried(outcome)
        return Tried(outcome, await self._by.score(outcome, view.valid()))
