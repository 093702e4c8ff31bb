"""Choosing among explanations by their scores on the split `valid`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from neurogloss.interfaces.scorer import Verdict
from neurogloss.records.explanations import Candidate, Explanation
from neurogloss.records.failures import RETRYABLE, Failure
from neurogloss.records.scores import Score


@dataclass(frozen=True)
class Tried:
    """A candidate, and what the scorer said of it on `valid`."""

    outcome: Explanation | Failure
    verdict: Verdict | None = None
    """`None` where there is no explanation."""

    @property
    def value(self) -> float | None:
        """The headline; `None` where there is none."""
        scored = self.verdict.outcome if self.verdict is not None else None
        return scored.value if isinstance(scored, Score) else None

    @property
    def failure(self) -> Failure | None:
        """Why there is no explanation, or no score."""
        if isinstance(self.outcome, Failure):
            return self.outcome
        scored = self.verdict.outcome if self.verdict is not None else None
        return scored if isinstance(scored, Failure) else None


def best(tried: Sequence[Tried]) -> Tried | None:
    """The candidate with the highest value, the first of equals; `None` where none has a value."""
    return max((each for each in tried if each.value is not None), key=lambda each: each.value or 0.0, default=None)


def chosen(tried: Sequence[Tried], explainer: str) -> Explanation | Failure:
    """The best candidate, with all of them in its provenance.

    Where no candidate has a score, the first explanation stands, unless a language model failed the
    scorer: then it may be had later, and the failure is the outcome.
    """
    failures = [each.failure for each in tried if each.failure is not None]
    explained = [each for each in tried if isinstance(each.outcome, Explanation)]
    taken = best(tried) or next(iter(explained), None)
    if taken is None or not isinstance(taken.outcome, Explanation):
        return failures[0]
    if taken.failure is not None and any(failure.reason in RETRYABLE for failure in failures):
        return next(failure for failure in failures if failure.reason in RETRYABLE)
    candidates = tuple(
        Candidate(
            each.outcome.summary() if isinstance(each.outcome, Explanation) else "",
            each.value,
            each.failure,
            each is taken,
        )
        for each in tried
    )
    provenance = replace(taken.outcome.provenance, explainer=explainer, sample=0, candidates=candidates)
    return replace(taken.outcome, provenance=provenance)
