"""Why there is no result, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Score

_WORDS = {
    Reason.DEAD: ("dead", "The unit never fires in the records that are needed."),
    Reason.TOO_FEW_RECORDS: ("too few records", "The corpus gave too few records of this unit."),
    Reason.CONSTANT: ("constant", "The unit's true values do not vary, so nothing can be correlated with them."),
    Reason.UNPARSABLE: ("unparsable", "The language model's answer could not be read."),
    Reason.REFUSED: ("refused", "The language model refused to answer."),
    Reason.FAILED: ("failed", "The call failed, after all attempts."),
    Reason.NOT_WRITTEN: ("not written", "Nobody has written an explanation of this unit."),
    Reason.MISMATCHED: ("mismatched", "The component does not read this type of explanation."),
}


@dataclass(frozen=True)
class Absence:
    """The absence of an explanation or a score."""

    label: str
    """One or two words, for tables."""
    sentence: str
    detail: str = ""
    """What happened in this case."""


PENDING = Absence("not reached", "The run has not come to this yet.")
NOT_EXPLAINED = Absence("not scored", "There is no explanation to score.")


def explain_absence(outcome: Explanation | Score | Failure | None) -> Absence | None:
    """Why there is no explanation or no number; `None` where there is one."""
    match outcome:
        case None:
            return PENDING
        case Failure(reason, detail):
            return Absence(*_WORDS[reason], detail)
        case Score() if score_value(outcome) is None:
            sentence = f"{outcome.headline} is not defined on these records."
            return Absence("undefined", sentence, "; ".join(outcome.flags))
    return None


def score_value(outcome: Score | Failure | None) -> float | None:
    """The headline value, where there is a finite one."""
    value = outcome.value if isinstance(outcome, Score) else None
    return value if value is not None and math.isfinite(value) else None
