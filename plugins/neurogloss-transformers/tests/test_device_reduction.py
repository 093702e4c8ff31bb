"""Reducing on a device keeps what the reducer itself keeps; see `conftest.py` for how, without a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurogloss.errors import SubjectError
from neurogloss.records.plans import CollectionPlan, UnitSelection
from neurogloss.records.tokens import Batch, Split, TokenSequence
from neurogloss.records.units import UnitId
from neurogloss.reducers.draws import SPLITS, SequenceDraws
from neurogloss.reducers.site_reducer import SiteReducer
from neurogloss.reducers.unit_reducer import UnitReducer
from neurogloss_transformers.device_reduction import DeviceReduction
from neurogloss_transformers.reductions import HostReduction, reduction_on

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
N_UNITS = 19
N_SEQUENCES = 40


def sequence(number: int, length: int, split: Split) -> TokenSequence:
    ids = np.arange(length)
    special = np.arange(length) == number % 7  # of some sequences the first token is special, of some none is
    return TokenSequence(number, str(number), split, "x" * length, ids, np.stack([ids, ids + 1], axis=1), special)


def plan(**changed: object) -> CollectionPlan:
    given = {"sequence_length": 10, "top_k": 3, "n_random": 2, "per_bin": 2, "n_importance": 3, **changed}
    return CollectionPlan(quantile_bins=((0, 0.5), (0.5, 0.9), (0.9, 1.0)), **given)  # type: ignore[arg-type]


class Case:
    """Sequences of several lengths and splits, with activations of them."""

    def __init__(self, plan: CollectionPlan, dtype: torch.dtype, seed: int = 0, batch_size: int = 13) -> None:
        rng = np.random.default_rng(seed)
        splits = [SPLITS[number % 3] for number in range(N_SEQUENCES)]
        sequences = [sequence(n, int(rng.integers(2, 11)), split) for n, split in enumerate(splits)]
        chunks = [sequences[i : i + batch_size] for i in range(0, N_SEQUENCES, batch_size)]
        self.batches = [Batch.of(chunk, plan.ignore_first_tokens) for chunk in chunks]
        scales = 10.0 ** rng.integers(-3, 4, N_UNITS)
        self.activations = [
            torch.from_numpy(rng.normal(size=(*batch.token_ids.shape, N_UNITS)) * scales).to(DEVICE, dtype)
            for batch in self.batches
        ]
        for each in self.activations:
            each[..., 3] = -each[..., 3].abs()  # never fires
            each[..., 4] = 0  # dead: all sequences are equal
            each[..., 5] = (each[..., 5] * 4 / scales[5]).round()  # many sequences are equal
        self.selection = UnitSelection(tuple(UnitId("here", i, "-" if i % 4 == 1 else "+") for i in range(N_UNITS)))
        of_splits = np.array([SPLITS.index(split) for split in splits])
        self.draws = SequenceDraws(np.arange(N_SEQUENCES), of_splits, plan)

    def on_host(self) -> SiteReducer:
        reducer = UnitReducer(self.selection, self.draws)
        for batch, activations in zip(self.batches, self.activations, strict=True):
            reducer.add(batch, {"here": activations.float().cpu().numpy()})
        return reducer.sites["here"]

    def on_device(self) -> SiteReducer:
        reducer = UnitReducer(self.selection, self.draws)
        reduction = DeviceReduction(reducer, [DEVICE.type])
        for batch, activations in zip(self.batches, self.activations, strict=True):
            reduction.add("here", reducer.counted(batch), activations)
        reduction.finish()
        return reducer.sites["here"]


def assert_equal(found: SiteReducer, expected: SiteReducer) -> None:
    for name, kept in expected.lists.items():
        np.testing.assert_array_equal(found.lists[name].rows, kept.rows, err_msg=name)
        np.testing.assert_array_equal(found.lists[name].keys, kept.keys, err_msg=name)
    np.testing.assert_array_equal(found.histogram.counts, expected.histogram.counts)
    ours, theirs = found.samples(), expected.samples()
    for name, sample in theirs.items():
        np.testing.assert_array_equal(ours[name].rows, sample.rows, err_msg=name)
        values = found.rows.values(ours[name].addresses, ours[name].exponents)
        np.testing.assert_array_equal(values, expected.rows.values(sample.addresses, sample.exponents), err_msg=name)
    found_statistics = found.statistics()
    for name, values in expected.statistics().items():
        np.testing.assert_allclose(found_statistics[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    assert int(found.moments.n) == int(expected.moments.n)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_same_is_kept_on_the_device(dtype: torch.dtype) -> None:
    case = Case(plan(), dtype)
    assert_equal(case.on_device(), case.on_host())


@pytest.mark.parametrize("changed", [{"ignore_first_tokens": 3}, {"n_importance": 0}, {"n_random": 0, "per_bin": 0}])
def test_other_plans_keep_the_same(changed: dict[str, int]) -> None:
    case = Case(plan(**changed), torch.float32, seed=1)
    assert_equal(case.on_device(), case.on_host())


def test_a_plan_that_keeps_nothing_has_statistics() -> None:
    case = Case(plan(top_k=0, n_random=0, per_bin=0, n_importance=0), torch.float32, seed=2)
    assert_equal(case.on_device(), case.on_host())


def test_more_sequences_than_are_taken_at_once() -> None:
    case = Case(plan(), torch.float32, seed=3, batch_size=N_SEQUENCES)
    assert_equal(case.on_device(), case.on_host())


def test_what_does_not_count_is_not_read() -> None:
    case = Case(plan(), torch.float32, seed=4)
    expected = case.on_host()
    for batch, activations in zip(case.batches, case.activations, strict=True):
        activations[torch.from_numpy(~batch.counted)] = torch.nan
    assert_equal(case.on_device(), expected)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numpy, where it interprets
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_value_that_is_not_finite_is_an_error(value: float) -> None:
    case = Case(plan(), torch.float32, seed=5)
    batch, activations = case.batches[1], case.activations[1]
    row, position = np.argwhere(batch.counted)[-1]
    activations[row, position, 7] = value
    with pytest.raises(SubjectError, match="at here are not all finite"):
        case.on_device()


def test_activations_stay_on_a_gpu_where_they_can() -> None:
    case = Case(plan(), torch.float32)
    gpu = torch.device("cuda")
    assert isinstance(reduction_on(gpu, UnitReducer(case.selection, case.draws)), DeviceReduction)
    begun = UnitReducer(case.selection, case.draws)
    begun.add(case.batches[0], {"here": case.activations[0].cpu().numpy()})
    with_sums = UnitReducer(case.selection, case.draws, token_sums=True)
    for device, reducer in [(gpu, begun), (gpu, with_sums), (torch.device("cpu"), with_sums)]:
        assert isinstance(reduction_on(device, reducer), HostReduction)


def test_what_a_device_map_leaves_on_the_cpu_is_reduced_there() -> None:
    case = Case(plan(), torch.float32)
    reducer = UnitReducer(case.selection, case.draws)
    reduction = DeviceReduction(reducer)
    for batch, activations in zip(case.batches, case.activations, strict=True):
        reduction.add("here", reducer.counted(batch), activations.cpu())
    reduction.finish()
    assert_equal(reducer.sites["here"], case.on_host())
