"""Sequences as rows of coloured pieces, one level of the scale a colour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from neurogloss.records.activations import ActivationRecord, levels
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import Piece, TokenSequence
from neurogloss.view.text import number, token_text

UNANSWERED = "u"
"""Class of a piece that the simulator gave no answer for: hatched, since it is not a zero."""
UNCOUNTED = "x"
"""Class of a piece that is neither explained nor scored."""
SPECIAL = "s"
"""Class of a special token."""
_SPECIAL_MARK = "◇"


class Span(NamedTuple):
    """One piece of a row."""

    text: str
    shade: str
    """A class: `l1` to `l10`, one of the above, or nothing for level 0."""
    title: str


class Pair(NamedTuple):
    """One piece of a double row."""

    text: str
    simulated: str
    """A class, as `Span.shade`."""
    real: str
    """A class, as `Span.shade`."""
    title: str


@dataclass(frozen=True)
class HeatRow:
    """One activation record."""

    document: str
    split: str
    maximum: str
    peak: str
    """The text of the piece with the maximum."""
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class PairRow:
    """One scored sequence: simulated above real."""

    document: str
    split: str
    kind: str
    """`top`, `random`, ...: why the unit has a record of the sequence."""
    maximum: str
    peak: str
    text: str
    """The whole sequence, for whoever cannot see the pieces."""
    unanswered: int
    """Counted pieces without a simulated value."""
    pairs: tuple[Pair, ...]


def heat_row(record: ActivationRecord, maximum: float) -> HeatRow:
    """Colours a record's pieces; `maximum` is the top level's value, the same for all records of a unit."""
    sequence = record.sequence
    reals = dict(zip((p.start for p in sequence.pieces), _real(record, maximum), strict=True))
    spans = []
    for part in _parts(sequence):
        if sequence.special[part.start]:
            spans.append(Span(_special_text(part), SPECIAL, "special token"))
        else:
            shade, title = reals[part.start]
            spans.append(Span(token_text(part.text), shade, title))
    return HeatRow(sequence.document_id, str(sequence.split), number(record.maximum), _peak_text(record), tuple(spans))


def pair_row(record: ActivationRecord, simulation: Simulation, maximum: float, kind: str) -> PairRow:
    """Sets what was simulated above what the unit does.

    Args:
        record: What the unit does.
        simulation: What was predicted for the same sequence.
        maximum: The unit's value at the top level; also that of simulations in activation units.
        kind: Why the unit has a record of the sequence.
    """
    sequence = record.sequence
    starts = [p.start for p in sequence.pieces]
    reals = dict(zip(starts, _real(record, maximum), strict=True))
    simulateds = dict(zip(starts, _simulated(sequence, simulation, maximum), strict=True))
    pairs = []
    for part in _parts(sequence):
        if sequence.special[part.start]:
            pairs.append(Pair(_special_text(part), SPECIAL, SPECIAL, "special token"))
            continue
        (upper, predicted), (lower, value) = simulateds[part.start], reals[part.start]
        if (upper, lower) == (UNANSWERED, UNCOUNTED):
            upper = UNCOUNTED  # nobody had to answer there
        pairs.append(Pair(token_text(part.text), upper, lower, f"simulated {predicted}, real {value}"))
    return PairRow(
        document=sequence.document_id,
        split=str(sequence.split),
        kind=kind,
        maximum=number(record.maximum),
        peak=_peak_text(record),
        text=sequence.text,
        unanswered=sum(pair.simulated == UNANSWERED for pair in pairs),
        pairs=tuple(pairs),
    )


def _parts(sequence: TokenSequence) -> Iterator[Piece]:
    """The pieces and, between them, the special tokens."""
    special = (Piece(sequence.tokens[i], int(i), int(i) + 1) for i in np.flatnonzero(sequence.special))
    yield from sorted((*sequence.pieces, *special), key=lambda part: part.start)


def _special_text(part: Piece) -> str:
    return token_text(part.text) if part.text else _SPECIAL_MARK


def _real(record: ActivationRecord, maximum: float) -> Iterator[tuple[str, str]]:
    """Per piece, the class and the value; an uncounted piece shows no level."""
    shown = _levels(record.piece_values, maximum)
    for piece, level in zip(record.sequence.pieces, shown, strict=True):
        counted = record.counted[piece.start : piece.stop]
        values = record.values[piece.start : piece.stop]
        if counted.any():
            yield _shade(level), number(float(values[counted].max()))
        else:
            yield UNCOUNTED, f"{number(float(values.max()))}, not counted"


def _simulated(sequence: TokenSequence, simulation: Simulation, maximum: float) -> Iterator[tuple[str, str]]:
    """Per piece, the class and the largest answer; unanswered pieces are told from zeros."""
    top = simulation.top_level
    values = []
    for piece in sequence.pieces:
        answers = simulation.expected[piece.start : piece.stop]
        values.append(max(answers[~np.isnan(answers)], default=np.nan))
    for value, level in zip(values, _levels(np.array(values), maximum if top is None else top), strict=True):
        if np.isnan(value):
            yield UNANSWERED, "without an answer"
        else:
            yield _shade(level), number(float(value)) + ("" if top is None else f" of {top}")


def _levels(values: np.ndarray, maximum: float) -> np.ndarray:
    if not np.isfinite(maximum):
        return np.zeros(len(values), dtype=np.int64)
    return levels(np.minimum(np.nan_to_num(values, nan=0.0, neginf=0.0), maximum), maximum)


def _shade(level: int) -> str:
    return f"l{level}" if level else ""


def _peak_text(record: ActivationRecord) -> str:
    """The text of the piece with the largest counted value; nothing if none counts."""
    if not record.counted.any():
        return ""
    peak = record.peak
    return next((token_text(p.text) for p in record.sequence.pieces if p.start <= peak < p.stop), "")
