"""`LocalModel.choice_logprobs` against full forward passes of each filled text, without any cache."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from neurogloss.errors import PermanentError, SubjectError
from neurogloss.records.documents import Message
from neurogloss.records.requests import ChoiceRequest
from neurogloss_transformers.configs import LocalModelConfig
from neurogloss_transformers.loading import load_model, load_tokenizer
from neurogloss_transformers.local import LocalModel
from neurogloss_transformers.local_engine import Engine

DIGITS = tuple("0123456789")
SHARED = "The capital of France is Paris, and the tea is hot. They don't speak of things.\n"
LINES = ("The", " caf", "é", "\t", "\n", "😀", " of", "中文", "x\ty", " Paris", " 7", "<")


def config(folder: str, **options: Any) -> LocalModelConfig:
    return LocalModelConfig(model=folder, device="cpu", **options)


def request(seed: int, *, shared: str = SHARED, fill: str | None = "unknown", n_slots: int = 6) -> ChoiceRequest:
    lines = random.Random(seed).choices(LINES, k=n_slots)
    pieces = [shared + lines[0] + "\t", *["\n" + line + "\t" for line in lines[1:]], "\nend"]
    return ChoiceRequest(tuple(pieces), DIGITS, fill)


class Naive:
    """One full forward pass for each slot, of the text tokenised by the tokenizer's own call."""

    def __init__(self, folder: str) -> None:
        self.model: Any = load_model(config(folder))
        self.tokenizer: Any = load_tokenizer(config(folder))

    def logprobs(self, request: ChoiceRequest, lead: str = "") -> np.ndarray:
        answers, n_slots = [], len(request.pieces) - 1
        fills = [request.fill if request.fill is not None else request.choices[0]] * n_slots
        tokens = [self.tokenizer("\n" + choice).input_ids[1:] for choice in request.choices]
        assert all(len(token) == 1 for token in tokens)
        for slot in range(n_slots):
            before = lead + request.pieces[0]
            for fill, piece in zip(fills[:slot], request.pieces[1:], strict=False):
                before += fill + piece
            # Every slot in these texts follows a tab, which the tokenizer keeps apart from what follows.
            ids = torch.tensor([self.tokenizer(before).input_ids])
            with torch.no_grad():
                logprobs = self.model(input_ids=ids, use_cache=False).logits[0, -1].double().log_softmax(-1)
            answers.append([float(logprobs[token[0]]) for token in tokens])
            if request.fill is None:
                fills[slot] = request.choices[int(np.argmax(answers[-1]))]
        return np.array(answers)


async def ask(folder: str, *requests: ChoiceRequest, **options: Any) -> list[np.ndarray]:
    model = LocalModel(config(folder, **options))
    try:
        replies = await asyncio.gather(*map(model.choice_logprobs, requests))
    finally:
        await model.close()
    return [reply.logprobs for reply in replies]


@pytest.mark.parametrize("fill", ["unknown", "0", None])
@pytest.mark.parametrize(
    "architecture", ["llama", "gpt2", "gpt_neox", "mistral", "gemma2", "gemma3", "opt", "phi", "qwen3", "qwen2_moe"]
)
async def test_equals_the_computation_without_cache(
    prompt_folder: Callable[..., str], architecture: str, fill: str | None
) -> None:
    folder = prompt_folder(architecture)
    naive = Naive(folder)
    requests = [
        *(request(seed, fill=fill) for seed in range(4)),
        *(request(seed, shared=SHARED * 2, fill=fill) for seed in range(4, 7)),
        request(7, shared="", fill=fill, n_slots=1),
    ]
    for asked, logprobs in zip(requests, await ask(folder, *requests), strict=True):
        assert logprobs.dtype == np.float64
        np.testing.assert_allclose(logprobs, naive.logprobs(asked), rtol=0, atol=2e-5)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gpt_neox", "mistral", "gemma2", "gemma3", "opt", "phi"])
def test_these_architectures_share_prefixes(prompt_folder: Callable[..., str], architecture: str) -> None:
    with torch.inference_mode():
        assert Engine(load_model(config(prompt_folder(architecture))), 100).shares_prefixes


@pytest.mark.parametrize("fill", ["unknown", None])
async def test_without_shared_prefixes_the_same(prompt_folder: Callable[..., str], fill: str | None) -> None:
    folder = prompt_folder("llama")
    requests = [request(seed, fill=fill) for seed in range(3)]
    model = LocalModel(config(folder))
    await model.choice_logprobs(requests[0])
    assert model._engine is not None
    model._engine.shares_prefixes = False
    replies = await asyncio.gather(*map(model.choice_logprobs, requests))
    await model.close()
    for asked, reply in zip(requests, replies, strict=True):
        np.testing.assert_allclose(reply.logprobs, Naive(folder).logprobs(asked), rtol=0, atol=2e-5)
        assert reply.usage.cached_prompt_tokens == 0


async def test_a_model_that_cannot_share_is_computed_whole(
    prompt_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Engine.forward

    def forward(self: Engine, segments: Any, starts: Any, at: Any, cache: Any, mask: Any = None) -> torch.Tensor:
        return whole(self, segments, [0] * len(starts), at, cache, mask)  # forgets where a segment stands

    monkeypatch.setattr(Engine, "forward", forward)
    folder = prompt_folder("gpt2")
    requests = [request(0), request(1, fill=None)]
    for asked, logprobs in zip(requests, await ask(folder, *requests), strict=True):
        np.testing.assert_allclose(logprobs, Naive(folder).logprobs(asked), rtol=0, atol=2e-5)


@pytest.mark.parametrize("max_batch_tokens", [1, 150, 4096])
async def test_order_and_company_change_nothing(prompt_folder: Callable[..., str], max_batch_tokens: int) -> None:
    folder = prompt_folder("llama")
    requests = [
        request(seed, shared=SHARED * (1 + seed % 2), fill=None if seed % 3 else "unknown", n_slots=1 + seed % 12)
        for seed in range(20)
    ]
    naive = Naive(folder)
    expected = [naive.logprobs(asked) for asked in requests]
    for order_seed in range(2):
        order = random.Random(order_seed).sample(range(20), 20)
        answers = await ask(folder, *(requests[index] for index in order), max_batch_tokens=max_batch_tokens)
        for index, logprobs in zip(order, answers, strict=True):
            np.testing.assert_allclose(logprobs, expected[index], rtol=0, atol=2e-5)


async def test_a_prefix_is_computed_once(prompt_folder: Callable[..., str]) -> None:
    model = LocalModel(config(prompt_folder("llama")))
    first = await asyncio.gather(*(model.choice_logprobs(request(seed)) for seed in range(5)))
    later = await model.choice_logprobs(request(9))
    await model.close()
    n_shared = len(load_tokenizer(config(prompt_folder("llama")))(SHARED).input_ids)
    cached = sorted(reply.usage.cached_prompt_tokens or 0 for reply in first)
    assert cached[0] == 0
    assert all(n_shared <= n < n_shared + 12 for n in cached[1:])
    assert later.usage.cached_prompt_tokens is not None
    assert n_shared <= later.usage.cached_prompt_tokens < n_shared + 12


async def test_messages_go_through_the_chat_template(prompt_folder: Callable[..., str]) -> None:
    messages = (Message("system", "Be brief."), Message("user", "The tea?"))
    asked = request(3, shared="")
    for chat, lead in (
        (True, "<|system|>\nBe brief.<|eos|>\n<|user|>\nThe tea?<|eos|>\n"),
        (False, "Be brief.\n\nThe tea?\n\n"),
    ):
        folder = prompt_folder("llama", chat=chat)
        (logprobs,) = await ask(folder, replace(asked, messages=messages))
        np.testing.assert_allclose(logprobs, Naive(folder).logprobs(asked, lead), rtol=0, atol=2e-5)


async def test_errors_reach_only_their_own_request(prompt_folder: Callable[..., str]) -> None:
    folder = prompt_folder("llama")
    model = LocalModel(config(folder))
    good = [request(seed) for seed in range(3)]
    bad = {
        "'10'.*not exactly one token": replace(good[0], choices=("1", "10")),
        "No token starts at slot 0": ChoiceRequest(("The capital of Fra", "ce\t"), DIGITS, "n"),
        "nothing stands before it": ChoiceRequest(("", "\tx"), DIGITS, "0"),
        "at least one slot": ChoiceRequest(("alone",), DIGITS, "0"),
        r"\d{3} tokens, which do not fit into this model's context of 400": request(0, shared="a b c " * 80),
    }
    results = await asyncio.gather(*map(model.choice_logprobs, [*good, *bad.values()]), return_exceptions=True)
    await model.close()
    naive = Naive(folder)
    for asked, reply in zip(good, results, strict=False):
        assert not isinstance(reply, BaseException)
        np.testing.assert_allclose(reply.logprobs, naive.logprobs(asked), rtol=0, atol=2e-5)
    for pattern, error in zip(bad, results[len(good) :], strict=True):
        with pytest.raises(PermanentError, match=pattern):
            raise error  # type: ignore[misc]


async def test_a_failure_in_the_model_harms_no_neighbour(
    prompt_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prompt_folder("llama")
    poison = load_tokenizer(config(folder))("😀").input_ids[-1]
    whole = Engine.forward

    def forward(self: Engine, segments: Any, *arguments: Any) -> torch.Tensor:
        if any(poison in segment for segment in segments):
            raise RuntimeError("out of memory")
        return whole(self, segments, *arguments)

    monkeypatch.setattr(Engine, "forward", forward)
    asked = [ChoiceRequest((SHARED + line + "\t", "\nend"), DIGITS, fill) for line in "a😀b" for fill in ("0", None)]
    model = LocalModel(config(folder))
    results = await asyncio.gather(*map(model.choice_logprobs, asked), return_exceptions=True)
    await model.close()
    for question, reply in zip(asked, results, strict=True):
        if "😀" in question.pieces[0]:
            assert isinstance(reply, PermanentError)
            assert "out of memory" in reply.known
        else:
            assert not isinstance(reply, BaseException)
            np.testing.assert_allclose(reply.logprobs, Naive(folder).logprobs(question), rtol=0, atol=2e-5)


async def test_a_slot_within_a_token_is_an_error_that_names_the_token(prompt_folder: Callable[..., str]) -> None:
    # " the" is one token, so nothing starts at the "h".
    with pytest.raises(PermanentError, match="No token starts at slot 0, which is character 3") as caught:
        await ask(prompt_folder("llama"), ChoiceRequest(("x t", "e\t"), ("h", "t"), None))
    assert "One token covers the characters 1 to 5" in caught.value.known


async def test_usable_choices_load_no_weights(
    prompt_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurogloss_transformers.local.load_model", None)
    model = LocalModel(config(prompt_folder("llama")))
    choices = ("0", "7", "10", " the", "Paris, and", "", "é", "中", "\n")
    assert await model.usable_choices(choices) == ("0", "7", " the", "中", "\n")
    await model.close()


async def test_a_missing_model_is_reported_each_time() -> None:
    model = LocalModel(config("/nowhere/at/all"))
    for _ in range(2):
        with pytest.raises(SubjectError):
            await model.choice_logprobs(request(0))
    await model.close()


@pytest.mark.parametrize("together", [True, False])
async def test_units_share_what_stands_before_their_explanations(
    prompt_folder: Callable[..., str], together: bool
) -> None:
    """What both read, and each one's explanation, are computed once, and no number changes."""
    folder = prompt_folder("llama")
    units = [
        [
            request(seed, shared=f"{SHARED}The unit of {gloss}, and of nothing else than that and that.\n")
            for seed in seeds
        ]
        for gloss, seeds in (("tea", range(8)), ("Paris", range(8, 16)))
    ]
    model = LocalModel(config(folder))
    if together:
        replies = list(await asyncio.gather(*map(model.choice_logprobs, [*units[0], *units[1]])))
    else:
        replies = [reply for unit in units for reply in await asyncio.gather(*map(model.choice_logprobs, unit))]
    await model.close()
    n_shared = len(load_tokenizer(config(folder))(SHARED).input_ids)
    uncached = [reply.usage.cached_prompt_tokens or 0 for reply in replies]
    assert sorted(uncached)[0] == 0
    assert sorted(uncached)[1] >= n_shared  # the second unit's first text
    naive = Naive(folder)
    for asked, reply in zip([*units[0], *units[1]], replies, strict=True):
        np.testing.assert_allclose(reply.logprobs, naive.logprobs(asked), rtol=0, atol=1e-5)
