"""`GroundTruth`: an ability of subjects whose units' functions are known, because they were built in."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from neurogloss.records.tokens import TokenSequence
from neurogloss.records.units import UnitId


class GroundTruth(ABC):
    """Tells what its units do: what explainers, simulators and scorers are tried on.

    A subject implements it beside `SubjectModel`; whether one does is asked with `isinstance`. Every
    known text (true, paraphrase or false) stands for one rule, whichever unit it is said of.
    """

    @abstractmethod
    def true_explanation(self, unit: UnitId) -> str:
        """What the unit does, in words; that it never fires, where it never does.

        Raises:
            SubjectError: There is no such unit.
        """

    @abstractmethod
    def paraphrases(self, unit: UnitId) -> tuple[str, ...]:
        """The true explanation in other words.

        Raises:
            SubjectError: There is no such unit.
        """

    @abstractmethod
    def false_explanations(self, unit: UnitId) -> tuple[str, ...]:
        """Explanations that are wrong, the nearest to the truth first.

        Raises:
            SubjectError: There is no such unit.
        """

    @abstractmethod
    def true_values(self, explanation: str, sequence: TokenSequence) -> np.ndarray | None:
        """What a unit would do if the explanation were true.

        Args:
            explanation: Any text that one of the other methods returns, of any unit.
            sequence: Where the unit would be read.

        Returns:
            float64 [pos], above 0 where it would fire, in the units of the explained activations, 0 at
            special tokens; `None` for a text that is not known.
        """
