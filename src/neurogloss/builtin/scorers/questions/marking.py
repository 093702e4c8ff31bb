"""Marking tokens in a text: those on which a unit fires, or others at like positions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from neurogloss.builtin.prompts.marks import Marks
from neurogloss.builtin.prompts.rendering import shown
from neurogloss.builtin.scorers.questions.selecting import Chosen, shown_part
from neurogloss.records.activations import ActivationRecord

Marked = tuple[Chosen, np.ndarray]
"""What is shown of a record, and the places of the pieces that are marked in it: int64 [mark]."""


def unmarked(chosen: Chosen, window: int | None) -> Marked:
    """What is shown of a record, without marks."""
    return Chosen(shown_part(chosen.record, window), chosen.group), np.array([], dtype=np.int64)


def marked_where_it_fires(chosen: Chosen, threshold: float, window: int | None) -> Marked:
    """What is shown of a record, with marks on the pieces that reach the threshold."""
    part = shown_part(chosen.record, window)
    return Chosen(part, chosen.group), np.flatnonzero(firing_pieces(part, threshold))


def firing_pieces(record: ActivationRecord, threshold: float) -> np.ndarray:
    """Which pieces reach the threshold: bool [piece]."""
    return np.asarray(record.piece_values >= threshold)


def free_pieces(record: ActivationRecord, threshold: float) -> np.ndarray:
    """Which pieces may be marked although the unit does not fire on them: counted, with text, below: bool [piece]."""
    sequence = record.sequence
    blank = [not sequence.text[begin:end].strip() for begin, end in sequence.parts.spans.tolist()]
    left_out = sequence.parts.most(~record.counted) | np.array(blank, dtype=bool)
    return np.asarray(~left_out & ~firing_pieces(record, threshold))


class PlacesIn:
    """Which pieces of a record's windows may be marked, and on which the unit fires.

    A record has as many windows as tokens, and their pieces are its own, but where a window begins or ends inside one.
    """

    def __init__(self, record: ActivationRecord, threshold: float) -> None:
        self._record = record
        self._threshold = threshold
        parts = record.sequence.parts
        self._begins, self._ends = parts.starts.tolist(), parts.stops.tolist()
        self._free, self._firing = free_pieces(record, threshold), firing_pieces(record, threshold)

    def of_window(self, start: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Of `record.window(start, width)`: `free_pieces` and `firing_pieces`, bool [piece] each."""
        stop = start + width
        first, end = bisect_left(self._begins, start), bisect_right(self._ends, stop)
        if (first and self._ends[first - 1] > start) or (end < len(self._begins) and self._begins[end] < stop):
            part = self._record.window(start, width)
            return free_pieces(part, self._threshold), firing_pieces(part, self._threshold)
        return self._free[first:end], self._firing[first:end]


def moved(pattern: np.ndarray, free: np.ndarray) -> np.ndarray | None:
    """As many free places as a pattern has, each as near as can be to its place in the pattern.

    Args:
        pattern: int64 [mark]: the places that are marked in another text, ascending.
        free: bool [place]

    Returns:
        int64 [mark], ascending; `None` where too few are free.
    """
    left: list[int] = np.flatnonzero(free).tolist()
    if len(left) < len(pattern) or not len(pattern):
        return None
    taken: list[int] = []
    for wanted in pattern.tolist():
        taken.append(min(left, key=lambda place: abs(place - wanted)))
        left.remove(taken[-1])
    return np.array(sorted(taken))


def marked(record: ActivationRecord, chosen: np.ndarray, marks: Marks) -> str:
    """The record's text with marks around the chosen pieces [mark], white space before them left outside.

    Pieces that follow each other share their marks.
    """
    sequence, out, at = record.sequence, "", 0
    spans = sequence.parts.spans
    for first, last in _runs(chosen):
        start, stop = int(spans[first, 0]), int(spans[last, 1])
        text = sequence.text[start:stop]
        lead = len(text) - len(text.lstrip()) if text.strip() else 0
        out += sequence.text[at : start + lead] + marks.open + text[lead:] + marks.close
        at = stop
    return shown(out + sequence.text[at:])


def _runs(chosen: np.ndarray) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for place in map(int, chosen):
        if runs and runs[-1][1] == place - 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs
