"""What rules are learned from: the tokens of the explain split with the unit's values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neurogloss.records.activations import ActivationRecord
from neurogloss.records.unit_records import SplitView

UNKNOWN = -2
"""In place of a token before that was not kept."""
START = -1
"""In place of a token before the first."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Tokens with values: each token of the kept records, then the rest of the split as means per token.

    The second part makes sums over any token exact for the whole split; what stood before its tokens
    is not known.
    """

    texts: tuple[str, ...]
    """The distinct texts of tokens [text]."""
    token: np.ndarray
    """int64 [row]: which text."""
    before: np.ndarray
    """int64 [row context]: the texts before it, the nearest first; or `START`, or `UNKNOWN`."""
    values: np.ndarray
    """float64 [row]"""
    counts: np.ndarray
    """float64 [row]: how many tokens the row stands for."""
    n_seen: int
    """The rows that are single tokens, with what stood before them; they come first."""
    n_random: int | None = None
    """Those of them, the very first, that are of random records: of the others the unit chose some. `None` is all."""

    @cached_property
    def seen(self) -> slice:
        return slice(0, self.n_seen)

    def noise(self, residuals: np.ndarray) -> float:
        """The variance of residuals [row] that no rule on the token alone can take away, from tokens seen twice."""
        token, values = self.token[self.seen], residuals[self.seen]
        counts = np.bincount(token, minlength=len(self.texts))
        means = np.bincount(token, values, len(self.texts)) / np.maximum(counts, 1)
        freedom = len(token) - np.count_nonzero(counts)
        return float(((values - means[token]) ** 2).sum() / freedom) if freedom else 0.0


def evidence_of(view: SplitView, context: int) -> Evidence:
    """Gathers the records of a view, each sequence once, and its token means where there are any.

    Args:
        view: Of the explain split.
        context: How many tokens before each are kept.
    """
    means = view.token_means
    vocabulary = [view.token_text(token_id) for token_id in means.token_ids.tolist()] if means is not None else []
    numbers = {text: number for number, text in enumerate(dict.fromkeys(vocabulary))}
    kept = view.records
    records = {
        record.sequence.id: record
        for group in (kept.random, kept.top, *kept.quantile.values(), kept.importance)
        for record in group
    }
    random = {record.sequence.id for record in kept.random}
    rows = [_no_rows(context), *(_rows(record, context, numbers) for record in records.values())]
    token, before, values, ids = (np.concatenate(column) for column in zip(*rows, strict=True))
    n_seen = len(token)
    n_random = sum(int(record.counted.sum()) for record in records.values() if record.sequence.id in random)
    counts = np.ones(n_seen)
    if vocabulary and means is not None:
        size = len(vocabulary)
        place = np.searchsorted(means.token_ids, ids).clip(max=size - 1)
        known = means.token_ids[place] == ids
        left = means.counts - np.bincount(place[known], minlength=size)
        sums = means.sums - np.bincount(place[known], values[known], size)
        rest = np.flatnonzero(left > 0)
        token = np.concatenate([token, [numbers[vocabulary[i]] for i in rest]]).astype(np.int64)
        before = np.concatenate([before, np.full((len(rest), context), UNKNOWN)])
        values = np.concatenate([values, sums[rest] / left[rest]])
        counts = np.concatenate([counts, left[rest]])
    return Evidence(tuple(numbers), token, before, values, counts, n_seen, n_random)


def _rows(record: ActivationRecord, context: int, numbers: dict[str, int]) -> tuple[np.ndarray, ...]:
    special = record.sequence.special
    padded = np.full(context + len(special), START)
    for place, text in enumerate(record.sequence.tokens):
        if not special[place]:
            padded[context + place] = numbers.setdefault(text, len(numbers))
    rows = np.flatnonzero(record.counted)
    before = np.stack([padded[context - 1 - i + rows] for i in range(context)], axis=1) if context else padded[:0]
    return (
        padded[context + rows],
        before.reshape(len(rows), context),
        record.values[rows].astype(np.float64),
        record.sequence.token_ids[rows],
    )


def _no_rows(context: int) -> tuple[np.ndarray, ...]:
    return np.zeros(0, np.int64), np.zeros((0, context), np.int64), np.zeros(0), np.zeros(0, np.int64)
