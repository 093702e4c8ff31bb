"""`Metric`: how near what was predicted comes to what is true, and which faults it does not notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

MISSING_LABELS = "missing labels"
"""The prediction leaves out half of what is true."""
EXTRA_LABELS = "extra labels"
"""The prediction adds as much again that is not true."""
CONSTANT_ANSWERS = "constant answers"
"""The prediction is the same everywhere."""
SHUFFLED_LABELS = "shuffled labels"
"""The prediction has the right values in the wrong places."""
LINEAR_RESCALING = "linear rescaling"
"""The prediction is multiplied, and something is added."""
MONOTONE_RESCALING = "monotone rescaling"
"""The prediction is bent; its order stays."""

AT_RARE_CONCEPTS = " at rare concepts"
"""Follows a fault that goes unnoticed where one item in a thousand is true, and is noticed where half of them are."""


class Reads(Enum):
    """What a metric reads as the prediction."""

    LABELS = "labels"
    """Yes or no for each item; the truth is yes or no."""
    SCORES = "scores"
    """A number for each item, higher where yes is likelier; the truth is yes or no."""
    VALUES = "values"
    """The value that is expected at each item; the truth is a value."""


@dataclass(frozen=True)
class Metric:
    """A metric over items, such as texts or tokens; 1 is the best value.

    `MetricContract` in `neurogloss.testing` measures which faults it notices. What it does not notice
    is no defect, but is declared, and shown beside its values.
    """

    name: str
    reads: Reads
    weighted: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    """From the truth [item], the prediction [item] and weights [... item] to values [...], NaN where it is not
    defined. An item of weight 2 counts as two items, so that a thousand resamples are one call."""
    insensitive_to: tuple[str, ...] = ()
    """The faults that it does not notice on items in their natural proportion."""
    insensitive_balanced: tuple[str, ...] = ()
    """The same where as many false items as true ones are looked at, as question scorers do."""

    def __call__(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        """Its value; NaN where it is not defined."""
        return float(self.weighted(truth, predicted, np.ones(len(truth))))
