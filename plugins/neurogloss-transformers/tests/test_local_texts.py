"""`LocalModel.text_logprobs` against full forward passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import torch

from neurogloss.errors import PermanentError
from neurogloss.records.requests import TextRequest
from neurogloss_transformers.configs import LocalModelConfig
from neurogloss_transformers.loading import load_model, load_tokenizer
from neurogloss_transformers.local import LocalModel

CONTEXT = "The capital of France is Paris, and the tea is hot.\nWords of animals:\n"
TEXTS = (CONTEXT, "They don't", "In the café\n中文 😀 of things.", "x")


def naive(folder: str, request: TextRequest) -> tuple[float, int]:
    """One pass of the whole, as the tokenizer's own call splits it."""
    config = LocalModelConfig(model=folder, device="cpu")
    model, tokenizer = load_model(config), load_tokenizer(config)
    loaded: Any = model
    split: Any = tokenizer
    ids = split(request.context + request.text).input_ids
    n_before = len(split(request.context).input_ids)
    with torch.no_grad():
        logprobs = loaded(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double().log_softmax(-1)
    return sum(float(logprobs[place - 1, ids[place]]) for place in range(n_before, len(ids))), len(ids) - n_before


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "opt"])
async def test_equals_the_computation_without_cache(prompt_folder: Callable[..., str], architecture: str) -> None:
    folder = prompt_folder(architecture)
    requests = [TextRequest(context, text) for context in (CONTEXT, "A line:\n") for text in TEXTS]
    model = LocalModel(LocalModelConfig(model=folder, device="cpu", max_batch_tokens=200))
    replies = await asyncio.gather(*map(model.text_logprobs, requests))
    for request, reply in zip(requests, replies, strict=True):
        expected, n_tokens = naive(folder, request)
        assert reply.n_tokens == n_tokens
        assert reply.logprob == pytest.approx(expected, abs=1e-3)
        assert reply.usage.prompt_tokens == await model.count_tokens(request)
    await model.close()


async def test_what_cannot_be_told_is_a_permanent_error(prompt_folder: Callable[..., str]) -> None:
    model = LocalModel(LocalModelConfig(model=prompt_folder("llama"), device="cpu"))
    for request, known in (
        (TextRequest(CONTEXT, ""), "empty text"),
        (TextRequest("", "no context"), "begins with a slot"),
        (TextRequest("The capital of France is Paris, and th", "e tea"), "No token starts"),
        (TextRequest(CONTEXT, "long " * 400), "do not fit"),
    ):
        with pytest.raises(PermanentError, match=known):
            await model.text_logprobs(request)
    await model.close()
