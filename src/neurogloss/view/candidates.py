"""What an explanation was chosen among."""

from __future__ import annotations

from dataclasses import dataclass

from neurogloss.records.explanations import Candidate, Provenance
from neurogloss.view.absences import Absence, explain_absence
from neurogloss.view.text import score_number


@dataclass(frozen=True)
class CandidateLine:
    """One of the explanations that were tried on the split `valid`."""

    text: str
    """Empty where there was no explanation."""
    value: str
    absence: Absence | None
    """Why there is no explanation, or no value."""
    kept: bool


def candidate_lines(provenance: Provenance) -> tuple[CandidateLine, ...]:
    """In the order in which they were made; none where nothing was chosen."""
    return tuple(map(_line, provenance.candidates))


def _line(candidate: Candidate) -> CandidateLine:
    absence = explain_absence(candidate.failure) if candidate.failure else None
    return CandidateLine(candidate.text, score_number(candidate.value), absence, candidate.chosen)
