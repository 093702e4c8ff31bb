"""When memory runs out, batches are halved, that is said, and the numbers are the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from neurogloss.errors import PermanentError, SubjectError
from neurogloss.records.documents import Document, Message
from neurogloss.records.plans import CollectionPlan, UnitSelection
from neurogloss.records.requests import ChoiceRequest, GenerateRequest
from neurogloss.records.tokens import Batch, Split, TokenSequence
from neurogloss.records.units import UnitId
from neurogloss.reducers.draws import SequenceDraws
from neurogloss.reducers.unit_reducer import UnitReducer
from neurogloss_transformers.configs import LocalModelConfig, TransformersSubjectConfig
from neurogloss_transformers.host_reduction import HostReduction
from neurogloss_transformers.local import LocalModel
from neurogloss_transformers.room import Room, out_of_memory
from neurogloss_transformers.subject import TransformersSubject

CPU = "[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes."


@contextmanager
def _memory_for(model: torch.nn.Module, at: torch.nn.Module, most: int, error: Exception) -> Iterator[list[int]]:
    """Lets the model raise `error` in the module `at` when it is given more rows than `most`; notes how many it had."""
    rows: list[int] = []

    def begin(_module: torch.nn.Module, arguments: Any, options: dict[str, Any]) -> None:
        rows.append(len(options["input_ids"]))

    def fail(*_: object) -> None:
        if rows[-1] > most:
            raise error

    handles = [model.register_forward_pre_hook(begin, with_kwargs=True), at.register_forward_pre_hook(fail)]
    try:
        yield rows
    finally:
        for handle in handles:
            handle.remove()


@pytest.fixture
def subject(tiny_folder: Callable[[str], str]) -> TransformersSubject:
    return TransformersSubject(TransformersSubjectConfig(model=tiny_folder("gpt2"), device="cpu"))


@pytest.fixture
def batch(subject: TransformersSubject) -> Batch:
    texts = [f"The tea of day {day} is hot." for day in range(7)]
    tokenized = subject.tokenize([Document(text, text) for text in texts])
    return Batch.of(
        TokenSequence(number, text, Split.EXPLAIN, text, each.token_ids, each.spans, each.special)
        for number, (text, each) in enumerate(zip(texts, tokenized, strict=True))
    )


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), MemoryError(), RuntimeError(CPU)],
    ids=["device", "python", "cpu"],
)
def test_a_subject_goes_on_with_halves(
    error: Exception, subject: TransformersSubject, batch: Batch, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = {"layers.0.mlp": np.array([3, 5]), "layers.2.mlp": np.arange(64)}
    whole = subject.activations(batch, wanted)
    base = subject._model.base_model
    with _memory_for(base, base.h[1], 2, error) as rows:
        halved = subject.activations(batch, wanted)
        subject.activations(batch, wanted)
    assert rows == [7, 3] + [1] * 7 + [1] * 7, "what was found out is remembered"
    for name, values in whole.items():
        np.testing.assert_allclose(halved[name], values, atol=1e-5 * np.abs(values).max())
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "with 7 sequences of" in caplog.text


def _on_device(reducer: UnitReducer) -> HostReduction:
    pytest.importorskip("triton", reason="torch for Linux brings it with CUDA, and the test environment does")
    from neurogloss_transformers.device_reduction import DeviceReduction

    return DeviceReduction(reducer, ["cpu"])


@pytest.mark.parametrize("reduction", [HostReduction, _on_device])
def test_no_sequence_is_collected_twice_where_memory_runs_out_between_two_sites(
    reduction: Callable[[UnitReducer], HostReduction],
    subject: TransformersSubject,
    batch: Batch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("neurogloss_transformers.subject.reduction_on", lambda _devices, reducer: reduction(reducer))
    units = UnitSelection((UnitId("layers.0.mlp", 3), UnitId("layers.2.mlp", 5)))
    plan = CollectionPlan(sequence_length=batch.token_ids.shape[1], top_k=3)
    draws = SequenceDraws(np.arange(7), np.zeros(7, dtype=np.int64), plan)
    whole, halved = (UnitReducer(units, draws) for _ in range(2))
    subject.collect([batch], whole)
    base = subject._model.base_model
    with _memory_for(base, base.h[1], 4, MemoryError()) as rows:
        subject.collect([batch], halved)
    assert rows == [7, 3, 3, 1]
    for site in units.columns:
        np.testing.assert_array_equal(halved.sites[site].moments.n, whole.sites[site].moments.n)
        np.testing.assert_allclose(halved.sites[site].moments.moments, whole.sites[site].moments.moments, rtol=1e-5)


def test_a_single_sequence_without_room_is_an_error_for_people(subject: TransformersSubject, batch: Batch) -> None:
    base = subject._model.base_model
    with (
        _memory_for(base, base.h[1], 0, MemoryError("no room")),
        pytest.raises(SubjectError, match="with a single sequence of"),
    ):
        subject.activations(batch, {"layers.2.mlp": np.arange(2)})


def test_other_errors_are_not_tried_again() -> None:
    room = Room("it")
    with pytest.raises(RuntimeError, match="shape"):
        room.run_in_parts(4, 8, lambda first, end: exec("raise RuntimeError('shape mismatch')"))
    assert not out_of_memory(RuntimeError("shape mismatch"))
    assert not out_of_memory(ValueError("out of memory"))


async def test_a_language_model_goes_on_with_halves(
    prompt_folder: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    model = LocalModel(LocalModelConfig(model=prompt_folder("llama"), device="cpu"))
    words = ("tea", "café", "Paris", "France", "hot")
    generations = [GenerateRequest((Message("user", f"Say {word}."),), 6) for word in words]
    lead = [(Message("user", f"Is it {word}?"),) for word in words]
    choices = [ChoiceRequest(("It is ", "."), ("0", "1"), "0", messages) for messages in lead]

    async def asked() -> tuple[list[Any], list[Any]]:
        texts = asyncio.gather(*map(model.generate, generations))
        return await texts, await asyncio.gather(*map(model.choice_logprobs, choices))

    try:
        texts, answers = await asked()
        assert model._engine is not None
        network = model._engine._model
        with _memory_for(network, network.model.layers[1], 2, RuntimeError(CPU)) as rows:
            again, answers_again = await asked()
        assert max(rows) == 5
        assert 1 in rows
        assert [reply.completions for reply in again] == [reply.completions for reply in texts]
        for reply, before in zip(answers_again, answers, strict=True):
            np.testing.assert_allclose(reply.logprobs, before.logprobs, atol=1e-4)
        assert "memory ran out in the language model" in caplog.text
        with (
            _memory_for(network, network.model.layers[1], 0, MemoryError()),
            pytest.raises(PermanentError, match="failed on this request") as caught,
        ):
            await model.generate(generations[0])
        assert "memory" in caught.value.remedy
    finally:
        await model.close()
