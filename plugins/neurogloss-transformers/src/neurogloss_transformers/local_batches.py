"""Which token sequences go through the model together, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

MIN_PREFIX = 16
"""A shared prefix shorter than this is not worth a pass of its own."""
SLACK = 64
"""Neighbours stay together as long as parting them would spare no more tokens than this altogether."""


@dataclass(frozen=True)
class Batch:
    """Sequences that go through the model together."""

    n_prefix: int
    """How many tokens at their beginning are computed once for all."""
    members: tuple[int, ...]
    """Their indices, the longest first."""


def shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """The length of the longest common prefix."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # bisection, as comparing slices is far quicker than a loop over tokens
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def plan_batches(
    sequences: Sequence[list[int]],
    limits: Sequence[int],
    fits: Callable[[int, Sequence[int]], bool],
) -> list[Batch]:
    """Groups sequences by what they share; the plan depends on the sequences, not on their order.

    Args:
        sequences: Token sequences.
        limits: For each, how many of its tokens the shared prefix may hold at most.
        fits: Whether these members, the longest first, fit into one batch with this prefix.
    """
    batches = []
    for cluster in _clusters(sequences):
        first, last = sequences[cluster[0]], sequences[cluster[-1]]
        n_prefix = min(shared_length(first, last), *(limits[index] for index in cluster))
        if n_prefix < MIN_PREFIX:
            n_prefix = 0
        members: list[int] = []
        for index in sorted(cluster, key=lambda index: -len(sequences[index])):
            if members and not fits(n_prefix, [*members, index]):
                batches.append(Batch(n_prefix, tuple(members)))
                members = []
            members.append(index)
        batches.append(Batch(n_prefix, tuple(members)))
    return batches


def _clusters(sequences: Sequence[list[int]]) -> list[list[int]]:
    """Indices in lexical order, parted where that spares more tokens than a further pass is worth.

    Two units whose prompts begin alike go apart, each with its explanation computed once; the second
    begins with what is remembered of the first.
    """
    order = sorted(range(len(sequences)), key=lambda index: sequences[index])
    shared = [shared_length(sequences[one], sequences[other]) for one, other in pairwise(order)]
    clusters: list[list[int]] = []
    nodes: list[tuple[int, list[int]]] = [(0, [])]  # of a tree of prefixes: tokens, and who is in no cluster yet
    for index, n_shared in zip(order, (*shared, 0), strict=False):
        rest = [index]
        while nodes[-1][0] > n_shared:
            n_tokens, members = nodes.pop()
            members += rest
            is_worth_it = (len(members) - 1) * (n_tokens - max(nodes[-1][0], n_shared)) > SLACK
            clusters += [members] if is_worth_it else []
            rest = [] if is_worth_it else members
        if nodes[-1][0] < n_shared:
            nodes.append((n_shared, rest))
        else:
            nodes[-1][1].extend(rest)
    return [*clusters, nodes[0][1]] if nodes[0][1] else clusters
