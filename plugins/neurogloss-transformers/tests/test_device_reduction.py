"""Reducing on a device keeps what the reducer itself keeps; see `conftest.py` for how, without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
from neurogloss_transformers.reductions import reduction_on

pytest.importorskip("triton", reason="torch for Linux brings it with CUDA, and the test environment does")
from neurogloss_transformers.device_reduction import DeviceReduction, bytes_needed

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
N_UNITS = 19


def sequence(number: int, length: int, split: Split) -> TokenSequence:
    ids = np.arange(length)
    special = np.arange(length) == number % 7  # of some sequences the first token is special, of some none is
    return TokenSequence(number, str(number), split, "x" * length, ids, np.stack([ids, ids + 1], axis=1), special)


def plan(**changed: Any) -> CollectionPlan:
    bins = ((0, 0.5), (0.5, 0.9), (0.9, 1.0))
    kept = CollectionPlan(sequence_length=10, top_k=3, n_random=2, quantile_bins=bins, per_bin=2, n_importance=3)
    return replace(kept, **changed)


class Case:
    """Sequences of several lengths and splits, with activations of them."""

    def __init__(
        self,
        plan: CollectionPlan,
        dtype: torch.dtype,
        seed: int = 0,
        *,
        n_sequences: int = 40,
        batch_size: int = 13,
        n_units: int = N_UNITS,
    ) -> None:
        rng = np.random.default_rng(seed)
        splits = [SPLITS[number % 4] for number in range(n_sequences) if number % 4 != 1]
        n_sequences = len(splits)
        longest = plan.sequence_length
        sequences = [sequence(n, int(rng.integers(2, longest + 1)), split) for n, split in enumerate(splits)]
        chunks = [sequences[i : i + batch_size] for i in range(0, n_sequences, batch_size)]
        self.batches = [Batch.of(chunk, plan.ignore_first_tokens) for chunk in chunks]
        scales = 10.0 ** rng.integers(-3, 4, n_units)
        self.activations = [
            torch.from_numpy(rng.normal(size=(*batch.token_ids.shape, n_units)) * scales).to(DEVICE, dtype)
            for batch in self.batches
        ]
        for each in self.activations:
            each[..., 3] = -each[..., 3].abs()  # never fires
            each[..., 4] = 0  # dead: all sequences are equal
            each[..., 5] = (each[..., 5] * 4 / scales[5]).round()  # many sequences are equal
        self.selection = UnitSelection(tuple(UnitId("here", i, "-" if i % 4 == 1 else "+") for i in range(n_units)))
        of_splits = np.array([SPLITS.index(split) for split in splits])
        self.draws = SequenceDraws(np.arange(n_sequences), of_splits, plan)

    def reducer(self) -> UnitReducer:
        return UnitReducer(self.selection, self.draws)

    def on_host(self) -> SiteReducer:
        reducer = self.reducer()
        for batch, activations in zip(self.batches, self.activations, strict=True):
            reducer.add(batch, {"here": activations.float().cpu().numpy()})
        return reducer.sites["here"]

    def on_device(self) -> SiteReducer:
        reducer = self.reducer()
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


def test_more_than_is_taken_at_once() -> None:
    # Sequences in a batch, drawn ones among them, units in a range; and subsets that do not hold all sequences.
    narrow = ((0, 0.5), (0.5, 0.9), (0.9, 0.95), (0.95, 0.999))
    case = Case(
        plan(sequence_length=4, n_random=14, quantile_bins=narrow, per_bin=1),
        torch.float32,
        seed=3,
        n_sequences=240,
        batch_size=150,
        n_units=131,
    )
    members = [case.draws.members[:, counted.rows] for counted in map(case.reducer().counted, case.batches)]
    assert any(each.any() and not each.all() for of_batch in members for each in of_batch)
    assert_equal(case.on_device(), case.on_host())


def test_sequences_longer_than_are_written_at_once() -> None:
    case = Case(plan(sequence_length=70, top_k=1), torch.float32, seed=6, n_sequences=12)
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


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], torch.device]:
    """A GPU with so many bytes free, as far as choosing a reduction goes."""

    def make(free: int) -> torch.device:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (free, free))
        monkeypatch.setattr("neurogloss_transformers.device_reduction.try_kernels", lambda _device: None)
        return torch.device("cuda")

    return make


def test_activations_stay_on_a_gpu_where_they_can(gpu: Callable[[int], torch.device]) -> None:
    case = Case(plan(), torch.float32)
    large = gpu(10**9)
    assert isinstance(reduction_on({large}, case.reducer()), DeviceReduction)
    begun = case.reducer()
    begun.add(case.batches[0], {"here": case.activations[0].float().cpu().numpy()})
    with_sums = UnitReducer(case.selection, case.draws, token_sums=True)
    empty = case.reducer()
    cpu = torch.device("cpu")
    for devices, reducer in [({large}, begun), ({large}, with_sums), ({cpu}, empty), ({large, cpu}, empty)]:
        reduction = reduction_on(devices, reducer)
        assert not isinstance(reduction, DeviceReduction)


def test_what_does_not_fit_on_a_gpu_is_reduced_on_the_host(
    gpu: Callable[[int], torch.device], caplog: pytest.LogCaptureFixture
) -> None:
    case = Case(plan(), torch.float32)
    reducer = case.reducer()
    slots = sum(kept.keys.shape[2] for kept in reducer.sites["here"].lists.values())
    assert bytes_needed(reducer) > N_UNITS * 3 * slots * 12 * 2, "of three splits, in rows of 12 values"
    assert not isinstance(reduction_on({gpu(bytes_needed(reducer))}, reducer), DeviceReduction)
    assert "reduced on the host, which is slower" in caplog.text


def test_without_a_compiler_activations_are_reduced_on_the_host(
    gpu: Callable[[int], torch.device], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_device: object) -> None:
        raise RuntimeError("Failed to find C compiler.")

    device = gpu(10**9)
    monkeypatch.setattr("neurogloss_transformers.device_reduction.try_kernels", fail)
    case = Case(plan(), torch.float32)
    assert not isinstance(reduction_on({device}, case.reducer()), DeviceReduction)
    assert "Failed to find C compiler" in caplog.text


def test_what_a_device_map_leaves_on_the_cpu_is_reduced_there() -> None:
    case = Case(plan(), torch.float32)
    reducer = case.reducer()
    reduction = DeviceReduction(reducer)
    for batch, activations in zip(case.batches, case.activations, strict=True):
        reduction.add("here", reducer.counted(batch), activations.cpu())
    reduction.finish()
    assert_equal(reducer.sites["here"], case.on_host())


def test_a_state_filled_on_a_device_merges_like_any_other() -> None:
    case = Case(plan(), torch.float32)
    halves = [case.reducer() for _ in range(2)]
    for number, half in enumerate(halves):
        reduction = DeviceReduction(half, [DEVICE.type])
        for batch, activations in list(zip(case.batches, case.activations, strict=True))[number::2]:
            reduction.add("here", half.counted(batch), activations)
        reduction.finish()
    loaded = case.reducer()
    loaded.load(halves[1].arrays())
    halves[0].merge(loaded)
    assert_equal(halves[0].sites["here"], case.on_host())


def test_what_fails_when_sequences_are_taken_in_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Triton Error [CUDA]: out of memory")

    monkeypatch.setattr("neurogloss_transformers.device_state.DeviceList.offer", fail)
    with pytest.raises(SubjectError, match="failed on the device"):
        Case(plan(), torch.float32).on_device()
