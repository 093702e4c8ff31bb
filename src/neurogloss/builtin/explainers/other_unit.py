"""A null: what the gloss of another unit scores."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from neurogloss.builtin.explainers.configs import OtherUnitConfig, Which
from neurogloss.interfaces.explainer import Explainer
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.unit_records import Neighbour, SplitView
from neurogloss.records.units import UnitId


class OtherUnitExplainer(Explainer):
    """Explains another unit of the collection; the provenance says which.

    It asks what the explainer that it holds asks of that unit in a run of its own, so where that is
    the run's own explainer and the other unit is one of the run, the ledger has the reply already.
    """

    def __init__(self, config: OtherUnitConfig, of: Explainer) -> None:
        self.needs_token_means = of.needs_token_means
        self._config = config
        self._of = of

    async def explain(self, view: SplitView) -> tuple[Explanation | Failure, ...]:
        """The other unit's explanations; see `Explainer.explain`."""
        if view.dead:
            return (Failure(Reason.DEAD, "never above 0 in the explain split"),)
        neighbours = view.neighbours(self._config.among)
        if not neighbours:
            return (Failure(Reason.TOO_FEW_RECORDS, "no other unit of the collection fires in the explain split"),)
        other = self._chosen(view.unit, neighbours)
        outcomes = await self._of.explain(other)
        return tuple(
            replace(outcome, provenance=replace(outcome.provenance, explainer="other_unit", about=str(other.unit)))
            if isinstance(outcome, Explanation)
            else outcome
            for outcome in outcomes
        )

    def _chosen(self, unit: UnitId, neighbours: Sequence[Neighbour]) -> SplitView:
        if self._config.which is Which.SEEDED:
            return min((other.view for other in neighbours), key=lambda other: self._hash(unit, other.unit))
        return neighbours[0 if self._config.which is Which.NEAREST else -1].view

    def _hash(self, unit: UnitId, other: UnitId) -> bytes:
        return hashlib.sha256(f"{self._config.seed} {unit} {other}".encode()).digest()
