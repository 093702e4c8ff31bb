"""The reducer: hand-computed results, and the same state in any order and sharding."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neurogloss.errors import SubjectError
from neurogloss.records.plans import CollectionPlan, UnitSelection
from neurogloss.records.tokens import Batch, Split, TokenSequence
from neurogloss.records.units import UnitId
from neurogloss.reducers.compiled import RANGE
from neurogloss.reducers.draws import NONE, SPLITS, SequenceDraws
from neurogloss.reducers.maxima_histogram import HIGHEST, LOWEST, RELATIVE_ERROR
from neurogloss.reducers.quantile_sample import KeptSequences
from neurogloss.reducers.site_reducer import SiteReducer
from neurogloss.reducers.unit_reducer import UnitReducer

SITE = "layers.0.mlp"
PLAN = CollectionPlan(
    sequence_length=4, top_k=3, n_random=4, quantile_bins=((0, 0.5), (0.5, 0.9)), per_bin=2, n_importance=3
)
UNITS = UnitSelection((UnitId(SITE, 0), UnitId(SITE, 7, "-"), UnitId("layers.1.mlp", 3)))


def sequence(number: int, token_ids: list[int], split: Split = Split.EXPLAIN, n_special: int = 0) -> TokenSequence:
    n = len(token_ids)
    spans = np.stack([np.arange(n), np.arange(n) + 1], axis=1)
    special = np.arange(n) < n_special
    return TokenSequence(number, f"d{number}", split, "x" * n, np.array(token_ids), spans, special)


def activations(batch: Batch) -> dict[str, np.ndarray]:
    """A function of token, position and sequence, coarse enough for ties."""
    seed = np.array([s.id for s in batch.sequences])[:, None]
    base = (batch.token_ids * 37 + np.arange(batch.token_ids.shape[1]) * 11 + seed * 5) % 17 - 6.0
    wild = np.where(batch.attended, 0, np.nan)  # nothing may look at the padding
    return {
        SITE: np.stack([base + wild, base / 3 - 1 + wild], axis=2).astype(np.float32),
        "layers.1.mlp": (np.abs(base) + wild)[..., None].astype(np.float32),
    }


def draws_of(sequences: list[TokenSequence], plan: CollectionPlan = PLAN) -> SequenceDraws:
    ordered = sorted(sequences, key=lambda s: s.id)
    ids, splits = [s.id for s in ordered], [SPLITS.index(s.split) for s in ordered]
    return SequenceDraws(np.array(ids, dtype=np.int64), np.array(splits, dtype=np.int64), plan)


def reduced(batches: list[Batch], draws: SequenceDraws | None = None, selection: UnitSelection = UNITS) -> UnitReducer:
    draws = draws or draws_of([s for batch in batches for s in batch.sequences])
    reducer = UnitReducer(selection, draws, token_sums=True)
    for batch in batches:
        reducer.add(batch, activations(batch))
    return reducer


def ids_of(part: SiteReducer, sample: str) -> np.ndarray:
    """Ids of a sample's sequences; the tests' ids are their rows."""
    return part.samples()[sample].rows


def values_of(part: SiteReducer, sample: KeptSequences) -> np.ndarray:
    return part.rows.values(sample.addresses, sample.exponents)


def assert_same(left: UnitReducer, right: UnitReducer) -> None:
    for site, ours in left.sites.items():
        theirs = right.sites[site]
        np.testing.assert_array_equal(ours.histogram.counts, theirs.histogram.counts)
        sums, their_sums = ours.token_sums.arrays(), theirs.token_sums.arrays()
        for name, array in [*ours.statistics().items(), *sums.items()]:
            expected = {**theirs.statistics(), **their_sums}[name]
            np.testing.assert_allclose(array, expected, rtol=1e-9, atol=1e-9, err_msg=name)
        samples, their_samples = ours.samples(), theirs.samples()
        for name, sample in samples.items():
            np.testing.assert_array_equal(sample.rows, their_samples[name].rows, err_msg=name)
            np.testing.assert_array_equal(values_of(ours, sample), values_of(theirs, their_samples[name]), err_msg=name)


@st.composite
def shardings(draw: st.DrawFn) -> tuple[list[TokenSequence], list[list[list[TokenSequence]]]]:
    token_ids = st.lists(st.integers(0, 9), min_size=1, max_size=4)
    made = draw(st.lists(st.tuples(token_ids, st.sampled_from(Split), st.integers(0, 1)), min_size=1, max_size=30))
    sequences = [sequence(number, *parts) for number, parts in enumerate(made)]
    shuffled = draw(st.permutations(sequences))
    shard_of = draw(st.lists(st.integers(0, 3), min_size=len(made), max_size=len(made)))
    batch_size = draw(st.integers(1, 7))
    shards: list[list[list[TokenSequence]]] = []
    for shard in range(4):
        members = [s for s, where in zip(shuffled, shard_of, strict=True) if where == shard]
        shards.append([members[i : i + batch_size] for i in range(0, len(members), batch_size)])
    return sequences, draw(st.permutations(shards))


@settings(max_examples=60, deadline=None)
@given(shardings(), st.booleans())
def test_any_order_and_sharding_gives_the_same_state(drawn, ship: bool) -> None:
    sequences, shards = drawn
    whole = reduced([Batch.of(sequences)])
    draws = draws_of(sequences)
    states = [reduced([Batch.of(batch) for batch in shard], draws) for shard in shards]
    if ship:
        states = [shipped(state) for state in states]
    merged = states[0]
    for state in states[1:]:
        merged.merge(state)
    assert_same(merged, whole)


def shipped(state: UnitReducer) -> UnitReducer:
    """The same state, on another machine."""
    made = UnitReducer(UNITS, state.draws, token_sums=True)
    made.load(state.arrays())
    return made


def test_state_of_a_unit_does_not_depend_on_its_companions() -> None:
    batch = Batch.of([sequence(i, [i % 5, 2, 3], SPLITS[i % 4]) for i in range(40)])
    reducer = reduced([batch])
    alone = UnitReducer(UnitSelection(UNITS.units[1:2]), reducer.draws)
    alone.add(batch, {SITE: activations(batch)[SITE][..., 1:]})
    for sample in ("top", "random", "quantile", "importance"):
        both = ids_of(reducer.sites[SITE], sample)
        np.testing.assert_array_equal(both[1:], ids_of(alone.sites[SITE], sample), err_msg=sample)


def one_unit(rows: list[list[float]], plan: CollectionPlan = PLAN, unit: str = f"{SITE}/0", **options):
    """The reducer at one unit after sequences with these values, all of the explain split."""
    token_sums = options.pop("token_sums", False)
    batch = Batch.of([sequence(i, [1 + i] * len(row), **options) for i, row in enumerate(rows)])
    selection = UnitSelection((UnitId.parse(unit),))
    reducer = UnitReducer(selection, draws_of(list(batch.sequences), plan), token_sums=token_sums)
    values = np.full((*batch.token_ids.shape, 1), np.nan, np.float32)
    for i, row in enumerate(rows):
        values[i, : len(row), 0] = row
    reducer.add(batch, {SITE: values})
    return reducer.sites[SITE]


def test_statistics_by_hand() -> None:
    # Values 1, 2, 3, 10: mean 4, deviations -3, -2, -1, 6; sums of powers 50, 180, 1394.
    statistics = one_unit([[1, 2], [3, 10]]).statistics()
    assert statistics["mean"] == [4.0]
    assert statistics["variance"] == [12.5]
    assert statistics["skewness"] == pytest.approx([45 / 12.5**1.5])
    assert statistics["kurtosis"] == pytest.approx([348.5 / 12.5**2 - 3])
    assert (statistics["minimum"], statistics["maximum"]) == ([1.0], [10.0])
    assert statistics["firing_fraction"] == [1.0]


def test_statistics_follow_the_polarity() -> None:
    statistics = one_unit([[1, -2], [-3, -10]], unit=f"{SITE}/0-").statistics()
    assert (statistics["minimum"], statistics["maximum"], statistics["mean"]) == ([-1.0], [10.0], [3.5])
    assert statistics["firing_fraction"] == [0.75]


def test_only_counted_positions_enter() -> None:
    part = one_unit([[99, 1, 2], [99, 3]], n_special=1, token_sums=True)
    assert part.statistics()["maximum"] == [3.0]
    assert part.statistics()["mean"] == [2.0]
    top = part.samples()["top"]
    assert top.rows[0, 0].tolist() == [1, 0]  # there are no slots for more than there are
    assert values_of(part, top)[0, 0].tolist() == [[0, 3, 0, 0], [0, 1, 2, 0]]
    sums = part.token_sums.arrays()
    assert (sums["token_ids"].tolist(), sums["counts"].tolist()) == ([1, 2], [2, 1])
    assert sums["sums"].tolist() == [[3.0], [3.0]]


def test_a_sequence_in_which_nothing_counts_is_left_out() -> None:
    counted = [sequence(0, [1, 2]), sequence(1, [1, 2, 3])]
    made = [Batch.of(counted, ignore_first_tokens=2), Batch.of([sequence(2, [4])], ignore_first_tokens=2)]
    part = reduced(made).sites[SITE]
    assert ids_of(part, "random")[0, 0].tolist().count(1) == 1
    assert set(ids_of(part, "random")[0, 0]) == {1, NONE}
    assert part.histogram.n_sequences == part.moments.n == 1


def test_top_sequences_are_ranked_and_ties_go_to_the_smaller_id() -> None:
    part = one_unit([[1, 5], [7, 0], [5, 5], [5, 1], [2, 2]])
    assert part.top.rows[0, 0].tolist() == [1, 0, 2]
    assert part.top.keys[0, 0].tolist() == [7, 5, 5]


def test_first_position_share_counts_firing_sequences() -> None:
    rows = [[9, 1], [9, 9], [1, 9], [-1, -2]]  # 0 and 1 peak at position 0; 3 does not fire
    assert one_unit(rows).statistics()["first_position_share"] == pytest.approx([2 / 3])


@pytest.mark.parametrize("value", [0.0, -0.1, 0.1, 3.3])
def test_a_constant_unit_has_no_noise_in_its_moments(value: float) -> None:
    statistics = one_unit([[value] * 4] * 7).statistics()
    assert (statistics["variance"], statistics["skewness"], statistics["kurtosis"]) == ([0], [0], [0])
    assert statistics["mean"] == pytest.approx([value])
    assert (statistics["quantiles"] <= max(0, np.float32(value))).all()


def test_a_nearly_constant_offset_keeps_its_moments() -> None:
    values = np.float32(1e4) + np.arange(400, dtype=np.float32).reshape(100, 4) / 8
    exact = values.astype(np.float64).ravel()
    statistics = one_unit(values.tolist()).statistics()
    assert statistics["variance"] == pytest.approx([exact.var()], rel=1e-6)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_activations_that_are_not_finite_name_the_site(wrong: float) -> None:
    with pytest.raises(SubjectError, match=SITE):
        one_unit([[1, wrong, 2]])


def test_padding_may_hold_anything_but_the_shape_must_fit() -> None:
    batch = Batch.of([sequence(0, [1, 2])])
    with pytest.raises(ValueError, match="shape"):
        UnitReducer(UNITS, draws_of(list(batch.sequences))).add(batch, {SITE: np.zeros((1, 2, 5), np.float32)})


def test_histogram_quantiles_keep_their_stated_error() -> None:
    maxima = np.exp(np.random.default_rng(1).normal(size=2000))
    part = one_unit([[float(m)] for m in maxima])
    got = part.statistics()["quantiles"][0]
    for quantile, estimate in zip((0.5, 0.9, 0.99, 0.999, 1.0), got, strict=True):
        true = np.sort(maxima)[math.ceil(quantile * len(maxima) - 1e-9) - 1]
        assert abs(estimate / true - 1) <= RELATIVE_ERROR + 1e-6
    assert got[-1] == np.float32(maxima.max())


def test_histogram_bins() -> None:
    maxima = [-5.0, 0.0, LOWEST / 2, LOWEST, 1.0, 1.06, 1.07, HIGHEST, 1e30]
    counts = one_unit([[maximum] for maximum in maxima]).histogram.counts
    assert counts[0, :2].tolist() == [3, 1]
    assert counts[0, 1 + 16 * 16 :][:2].tolist() == [2, 1]  # [1, 1 + 1/16), [1 + 1/16, 1 + 2/16)
    assert counts[0, -1] == 2
    assert counts.sum() == 9


def test_quantile_bins_hold_what_they_say() -> None:
    plan = CollectionPlan(
        sequence_length=4,
        top_k=2,
        n_random=0,
        n_importance=0,
        per_bin=3,
        quantile_bins=((0, 0.5), (0.5, 0.9), (0.9, 1)),
    )
    ids = one_unit([[float(i + 1)] for i in range(10)], plan).samples()["quantile"].rows[0, 0]
    assert set(ids[0]) < {0, 1, 2, 3, 4}
    assert -1 not in ids[0]
    assert set(ids[1]) < {5, 6, 7, 8}
    assert ids[2].tolist() == [9, -1, -1]


def test_sequences_that_do_not_fire_are_all_in_the_lowest_bin() -> None:
    plan = CollectionPlan(sequence_length=4, top_k=2, per_bin=3, quantile_bins=((0, 0.5), (0.5, 0.8), (0.8, 1)))
    ids = one_unit([[0.0]] * 8 + [[1.0], [2.0]], plan).samples()["quantile"].rows[0, 0]
    assert set(ids[0]) < set(range(8))
    assert ids[1].tolist() == [-1, -1, -1]
    assert sorted(ids[2].tolist()) == [-1, 8, 9]


def test_a_dead_unit_has_everything_in_the_lowest_bin() -> None:
    plan = CollectionPlan(sequence_length=4, top_k=2, per_bin=3, quantile_bins=((0, 0.5), (0.5, 1)))
    ids = one_unit([[-1.0]] * 8, plan).samples()["quantile"].rows[0, 0]
    assert (ids[0] >= 0).all()
    assert (ids[1] == -1).all()


def test_narrow_bins_are_filled_from_a_part_of_the_split() -> None:
    plan = CollectionPlan(sequence_length=1, top_k=4, per_bin=3)
    n = 4000
    part = one_unit([[1.3 ** (20 * i / n)] for i in range(n)], plan)
    assert [subset.size for subset in part.draws.subsets] == [67, 667]
    for (low, high), drawn in zip(plan.quantile_bins, ids_of(part, "quantile")[0, 0], strict=True):
        assert len(set(drawn)) == 3
        # A bin of the histogram is 1/16 wide in value, which is 1/86 of these sequences.
        assert (drawn >= low * n - n / 86).all()
        assert (drawn <= high * n + n / 86).all()


def test_quantile_samples_are_spread_over_their_bins() -> None:
    plan = CollectionPlan(sequence_length=1, top_k=4, per_bin=4, n_random=0, n_importance=0)
    n = 2000
    drawn = []
    for seed in range(60):
        part = one_unit([[1.3 ** (40 * i / n)] for i in range(n)], replace(plan, seed=seed))
        drawn.append(ids_of(part, "quantile")[0, 0])
    for (low, high), of_bin in zip(plan.quantile_bins, np.moveaxis(np.array(drawn), 1, 0), strict=True):
        share = (of_bin[of_bin != NONE] / n - low) / (high - low)
        assert (of_bin != NONE).mean() > 0.97
        assert abs(share.mean() - 0.5) < 0.1  # 240 draws: more than five standard deviations


def test_importance_follows_the_maxima_and_never_takes_what_does_not_fire() -> None:
    plan = CollectionPlan(sequence_length=1, n_importance=1)
    drawn = []
    for index in range(400):
        part = one_unit([[3.0], [1.0], [0.0], [-2.0]], plan, unit=f"{SITE}/{index}")
        drawn.append(int(part.importance.rows[0, 0, 0]))
    assert set(drawn) == {0, 1}
    assert 0.68 < drawn.count(0) / 400 < 0.82  # 3/4, at more than three standard deviations


def test_random_sequences_are_the_same_for_every_unit_and_change_with_the_seed() -> None:
    batch = Batch.of([sequence(i, [1, 2], SPLITS[i % 2]) for i in range(60)])
    reducer = reduced([batch])
    ids = ids_of(reducer.sites[SITE], "random")
    np.testing.assert_array_equal(ids[0], ids[1])
    np.testing.assert_array_equal(ids[:1], ids_of(reducer.sites["layers.1.mlp"], "random"))
    assert set(ids[0, 0]) <= set(range(0, 60, 2))
    other = reduced([batch], draws_of(list(batch.sequences), replace(PLAN, seed=1)))
    assert set(ids[0, 0]) != set(ids_of(other.sites[SITE], "random")[0, 0])
    values = values_of(reducer.sites[SITE], reducer.sites[SITE].samples()["random"])
    expected = activations(batch)[SITE][ids[0, 0]] * [1, -1]
    np.testing.assert_allclose(np.moveaxis(values[:, 0, :, :2], 0, 2), expected, atol=10 * 2**-15)


def test_reducers_of_other_plans_do_not_merge() -> None:
    with pytest.raises(ValueError, match="same selection"):
        reduced([]).merge(reduced([], draws_of([], CollectionPlan(top_k=1))))


def test_rows_that_no_list_holds_any_longer_are_left_out(tmp_path) -> None:
    # Each sequence is higher than those before, so that all enter the list, and most leave it again.
    sequences = [sequence(i, [i]) for i in range(200)]
    plan = CollectionPlan(sequence_length=4, top_k=2, n_random=0, n_importance=0, quantile_bins=())
    reducer = UnitReducer(UnitSelection(UNITS.units[:1]), draws_of(sequences, plan), directory=tmp_path)
    for one in sequences:
        reducer.add(Batch.of([one]), {SITE: np.full((1, 1, 1), 1 + one.id, np.float32)})
    part = reducer.sites[SITE]
    top = part.samples()["top"]
    assert top.rows[0, 0].tolist() == [199, 198]
    assert values_of(part, top)[0, 0, :, 0].tolist() == [200, 199]
    assert part.rows.kept.n_rows <= 2 * 2 * len(SPLITS)
    for path, checksum in part.rows.checksums.items():
        assert xxhash.xxh3_64_hexdigest(path.read_bytes()) == checksum


@settings(deadline=None)
@given(st.lists(st.floats(-(2.0**120), 2.0**120, width=32), min_size=1, max_size=4))
@example([65520.0, -1.0])
@example([-32767.9, 32767.9])
@example([1e-40, 3e-45])
def test_rows_hold_sixteen_bits_of_the_largest_value(values: list[float]) -> None:
    part = one_unit([values])
    found = values_of(part, part.samples()["random"])[0, 0]
    there = found[(part.samples()["random"].rows[0, 0] == 0).argmax()][: len(values)]
    largest = max(map(abs, values))
    for value, kept in zip(values, there, strict=True):
        assert abs(kept - value) <= largest * 2**-15 + 1e-37


def test_many_units_against_plain_arrays(tmp_path) -> None:
    # More units than a thread takes at a time, a length that is no multiple of four, and gaps between counted tokens.
    rng = np.random.default_rng(0)
    length, n_units, rows = 7, 2 * RANGE + 50, [int(n) for n in rng.integers(1, 8, 40)]
    sequences = [sequence(i, [5] * n, n_special=int(n > 2)) for i, n in enumerate(rows)]
    signs = np.where(np.arange(n_units) % 3 == 0, -1, 1)
    selection = UnitSelection(tuple(UnitId(SITE, i, "-" if sign < 0 else "+") for i, sign in enumerate(signs)))
    plan = CollectionPlan(sequence_length=length, top_k=3, n_random=4, n_importance=2, per_bin=1)
    reducer = UnitReducer(selection, draws_of(sequences, plan), directory=tmp_path)
    values = rng.standard_normal((40, length, n_units)).astype(np.float32)
    for start in range(0, 40, 6):
        batch = Batch.of(sequences[start : start + 6])
        reducer.add(batch, {SITE: values[start : start + 6, : batch.token_ids.shape[1]]})
    part, signed = reducer.sites[SITE], values * signs
    counted = [signed[i, int(n > 2) : n] for i, n in enumerate(rows)]
    together = np.concatenate(counted).astype(np.float64)
    statistics = part.statistics()
    for name, expected in (
        ("mean", together.mean(axis=0)),
        ("variance", together.var(axis=0)),
        ("skewness", scipy.stats.skew(together)),
        ("kurtosis", scipy.stats.kurtosis(together)),
        ("minimum", together.min(axis=0)),
        ("maximum", together.max(axis=0)),
        ("firing_fraction", (together > 0).mean(axis=0)),
    ):
        np.testing.assert_allclose(statistics[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)
    maxima = np.stack([each.max(axis=0) for each in counted], axis=1)
    samples = part.samples()
    np.testing.assert_array_equal(samples["top"].rows[:, 0], np.argsort(-maxima, axis=1, kind="stable")[:, :3])
    for name in ("top", "random", "importance", "quantile"):
        found = values_of(part, samples[name])
        for place in np.argwhere(samples[name].rows != NONE):
            row, unit = samples[name].rows[tuple(place)], place[0]
            expected = np.zeros(8, np.float32)
            expected[int(rows[row] > 2) : rows[row]] = counted[row][:, unit]
            np.testing.assert_allclose(found[tuple(place)], expected, atol=2**-14 * abs(expected).max(), err_msg=name)
