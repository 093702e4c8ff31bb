"""Which sequences go through the model together."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from neurogloss_transformers.local_batches import Batch, plan_batches, shared_length

FEW_SHOT = list(range(100))
GLOSS_A, GLOSS_B = [1000 + index for index in range(50)], [2000 + index for index in range(50)]


def everything_fits(_n_prefix: int, _members: Sequence[int]) -> bool:
    return True


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_shared_length_is_that_of_the_longest_common_prefix(one: list[int], other: list[int]) -> None:
    length = shared_length(one, other)
    assert one[:length] == other[:length]
    assert length in (len(one), len(other)) or one[length] != other[length]


def test_what_shares_more_goes_together() -> None:
    sequences = [FEW_SHOT + gloss + [seed] * seed for seed in (5, 6, 7) for gloss in (GLOSS_A, GLOSS_B)]
    batches = plan_batches(sequences, [len(sequence) for sequence in sequences], everything_fits)
    assert batches == [Batch(150, (4, 2, 0)), Batch(150, (5, 3, 1))]


def test_units_whose_prompts_begin_alike_go_apart_even_where_some_share_a_word_more() -> None:
    glosses = ([7, 1, 1, 1, 1, 1, 1, 1], [7, 2, 2, 2, 2, 2, 2, 2], [8] * 8)
    sequences = [[*FEW_SHOT, *gloss, text, text] for gloss in glosses for text in range(20)]
    batches = plan_batches(sequences, [len(sequence) for sequence in sequences], everything_fits)
    assert [(batch.n_prefix, sorted(batch.members)) for batch in batches] == [
        (108, list(range(start, start + 20))) for start in (0, 20, 40)
    ]


def test_a_little_more_in_common_does_not_part_a_batch() -> None:
    tails = ([1, 2, 3, 1], [1, 2, 3, 2], [9, 3], [9, 4])
    sequences = [FEW_SHOT + tail for tail in tails]
    assert plan_batches(sequences, [200] * 4, everything_fits) == [Batch(100, (0, 1, 2, 3))]


def test_the_limits_bound_the_prefix_and_a_short_one_is_none() -> None:
    sequences = [[*FEW_SHOT, tail] for tail in (1, 2)]
    assert plan_batches(sequences, [40, 60], everything_fits) == [Batch(40, (0, 1))]
    assert plan_batches(sequences, [15, 60], everything_fits) == [Batch(0, (0, 1))]


def test_what_does_not_fit_begins_a_new_batch_even_alone() -> None:
    sequences = [[index] * 5 for index in range(5)]
    batches = plan_batches(sequences, [5] * 5, lambda _n_prefix, members: len(members) <= 2)
    assert [batch.members for batch in batches] == [(0, 1), (2, 3), (4,)]
    assert len(plan_batches(sequences, [5] * 5, lambda _n_prefix, _members: False)) == 5
    assert plan_batches([], [], everything_fits) == []
