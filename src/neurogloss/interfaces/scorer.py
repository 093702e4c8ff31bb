"""`Scorer`: tests an explanation against the unit's records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure
from neurogloss.records.scores import Score
from neurogloss.records.simulations import Simulation
from neurogloss.records.unit_records import SplitView


@dataclass(frozen=True)
class Verdict:
    """A score, or why there is none, and the simulations behind it."""

    outcome: Score | Failure
    simulations: tuple[Simulation, ...] = ()


class Scorer(ABC):
    """Scores one explanation of one unit on records of a split that no explainer has seen."""

    accepts: tuple[type[Explanation], ...] = (Explanation,)
    """The types of explanation it can score; a simulation scorer has its simulator's."""
    explains_again = False
    """Whether it has the unit explained once more, and so needs `view.explain()`. What it hands to an explainer
    there must never be what it scores on."""

    @abstractmethod
    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        """Scores the explanation.

        Args:
            explanation: What to test.
            view: The records to test on; the split is the pipeline's choice, `test` by default.
        """
