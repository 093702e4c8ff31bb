"""What the token table knows, for prompts: tokens by mean activation, with contexts and exceptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile

import numpy as np

from neurogloss.builtin.explainers.asking_configs import ListingConfig
from neurogloss.builtin.explainers.showing import marks_for
from neurogloss.builtin.prompts.rendering import shown
from neurogloss.records.activations import ActivationRecord, levels
from neurogloss.records.unit_records import SplitView

_ALIKE = 3
"""Tokens look alike that begin with this many same letters, or are the same but for case and space."""


@dataclass(frozen=True)
class ListedToken:
    """One token of the subject's vocabulary."""

    text: str
    level: int
    """Of its mean activation, the highest mean being 10."""
    count: int
    """How often it occurs in the explain split."""
    context: str = ""
    """A text of the unit's records in which it stands, marked with brackets; empty if none was asked for or found."""


@dataclass(frozen=True)
class Listing:
    """Tokens by mean activation."""

    top: tuple[ListedToken, ...] = ()
    """Highest mean first; their levels are at least 1."""
    exceptions: tuple[ListedToken, ...] = ()
    """Tokens of level 0 that look like one of `top`, the most alike first."""


def listing(view: SplitView, config: ListingConfig) -> Listing:
    """The tokens that a prompt shows of a unit; nothing where none are asked for, or no means are known."""
    table = view.token_means
    if config.tokens == 0 or table is None or not len(table.token_ids):
        return Listing()
    seen = np.flatnonzero(table.counts >= config.min_count)
    ids, counts, means = table.token_ids[seen], table.counts[seen], table.means[seen]
    scale = levels(means, float(means.max(initial=0)))
    texts = {int(i): view.token_text(int(ids[i])) for i in np.lexsort((ids, -means))}
    # Parts of one character are different tokens of the same text; the highest stands for them.
    highest: dict[str, int] = {}
    for i, text in texts.items():
        highest.setdefault(text, i)
    top = [i for i in highest.values() if scale[i] > 0][: config.tokens]
    unlike = [i for i in texts if scale[i] == 0]
    exceptions = _alike(texts, top, unlike, counts)[: config.exceptions]
    contexts = _contexts(view, [int(ids[i]) for i in (*top, *exceptions)], config.context)

    def listed(i: int) -> ListedToken:
        return ListedToken(shown(texts[i]), int(scale[i]), int(counts[i]), contexts.get(int(ids[i]), ""))

    return Listing(tuple(map(listed, top)), tuple(map(listed, exceptions)))


def _alike(texts: Mapping[int, str], top: Sequence[int], others: Sequence[int], counts: np.ndarray) -> list[int]:
    """Those of `others` that look like one of `top`: the most alike first, then the most frequent."""
    stems = {stem for i in top if (stem := _stem(texts[i]))}
    beginnings = {stem[:_ALIKE] for stem in stems}
    found: list[tuple[float, int, int]] = []
    for i in others:
        stem = _stem(texts[i])
        if stem[:_ALIKE] in beginnings:
            likeness = max(_likeness(stem, other) for other in stems)
            if likeness > 0:
                found.append((-likeness, -int(counts[i]), i))
    return [i for _, _, i in sorted(found)]


def _stem(text: str) -> str:
    return text.strip().casefold()


def _likeness(stem: str, other: str) -> float:
    """1 for the same stem, else the share of the longer that both begin with, 0 if that is too short."""
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(stem, other, strict=False)))
    return common / max(len(stem), len(other)) if stem == other or common >= _ALIKE else 0.0


def _contexts(view: SplitView, token_ids: Sequence[int], width: int) -> dict[int, str]:
    """For each token the place in the unit's records where its value is highest."""
    wanted = set(token_ids) if width else set()
    best: dict[int, tuple[float, str]] = {}
    for record in _records(view) if wanted else ():
        for i in np.flatnonzero(record.counted):
            token_id, value = int(record.sequence.token_ids[i]), float(record.values[i])
            if token_id in wanted and (token_id not in best or value > best[token_id][0]):
                best[token_id] = value, _around(record, int(i), width)
    return {token_id: context for token_id, (_, context) in best.items()}


def _records(view: SplitView) -> Iterator[ActivationRecord]:
    records = view.records
    different = {r.sequence.id: r for r in chain(records.random, *records.quantile.values(), records.importance)}
    yield from {**different, **{record.sequence.id: record for record in records.top}}.values()


def _around(record: ActivationRecord, i: int, width: int) -> str:
    sequence = record.sequence
    text, (start, stop) = sequence.text, sequence.spans[i]
    first = int(sequence.spans[max(0, i - width)][0])
    last = int(sequence.spans[min(len(sequence) - 1, i + width)][1])
    marks = marks_for([text[first:last]])
    token = text[start:stop].lstrip()
    start = stop - len(token)
    return shown(f"{text[first:start]}{marks.open}{token}{marks.close}{text[stop:last]}".strip())
