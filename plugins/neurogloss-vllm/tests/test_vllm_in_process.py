"""The language model `vllm` on a real model."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from neurogloss.builtin.simulators.configs import JsonConfig, LogprobConfig, Mode
from neurogloss.builtin.simulators.json import JsonSimulator
from neurogloss.builtin.simulators.logprob import LogprobSimulator
from neurogloss.errors import PermanentError
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.simulator import Simulator
from neurogloss.records.documents import Message
from neurogloss.records.requests import ChoiceRequest, GenerateRequest
from neurogloss.records.simulations import Simulation
from neurogloss.testing.language_model import LanguageModelContract
from neurogloss.testing.records import prose_explanation, token_sequence
from neurogloss_vllm.choices import choice_logprobs
from neurogloss_vllm.configs import VLLMConfig
from neurogloss_vllm.model import VLLMModel

if find_spec("vllm") is None:
    pytest.skip("vLLM is not installed; the live tests run this file where it is", allow_module_level=True)

DIGITS = tuple("0123456789")
CAPITAL = (Message("user", "What is the capital of France? Answer with one word."),)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "maximum": 5000}},
    "required": ["city", "age"],
    "additionalProperties": False,
}


def lines(n_lines: int) -> ChoiceRequest:
    """A text of about five tokens a line, with a slot in each."""
    words = ["Lima", "tea", "1984", "café", "rain", "Oslo", "don't"]
    pieces = [f"\n {words[index % len(words)]} {index} =>" for index in range(n_lines)]
    return ChoiceRequest(("Levels from 0 to 9 of a neuron for places." + pieces[0], *pieces[1:], "\n"), DIGITS, "0")


class TestVLLM(LanguageModelContract):
    @pytest.fixture
    def llm(self, vllm: VLLMModel, model_folder: str, request: pytest.FixtureRequest) -> LanguageModel:
        # The engine that all tests share is closed after the last of them.
        closed_here = request.node.name == "test_it_can_be_closed"
        return VLLMModel(VLLMConfig(model=model_folder)) if closed_here else vllm

    @pytest.fixture
    def failing_llm(self, model_folder: str) -> LanguageModel:
        closed = VLLMModel(VLLMConfig(model=model_folder))
        asyncio.run(closed.close())
        return closed


async def test_a_chat_is_answered(vllm: VLLMModel) -> None:
    request = GenerateRequest(CAPITAL, max_tokens=12)
    reply = await vllm.generate(request)
    assert "Paris" in reply.completions[0].text
    assert reply.completions[0].finish_reason == "stop"
    assert reply.usage.prompt_tokens == await vllm.count_tokens(request)
    cut = await vllm.generate(GenerateRequest(CAPITAL, max_tokens=12, stop=(" Paris",)))
    assert cut.completions[0].text == reply.completions[0].text.partition(" Paris")[0]
    short = await vllm.generate(GenerateRequest(CAPITAL, max_tokens=2))
    assert short.completions[0].finish_reason == "length"
    assert short.usage.completion_tokens == 2


async def test_an_answer_that_has_begun_is_continued(vllm: VLLMModel) -> None:
    begun = (*CAPITAL, Message("assistant", "The capital of France is"))
    reply = await vllm.generate(GenerateRequest(begun, max_tokens=2))
    assert reply.completions[0].text.startswith(" Paris")


async def test_texts_follow_a_schema(vllm: VLLMModel) -> None:
    asked = GenerateRequest(CAPITAL, max_tokens=60, temperature=1.0, json_schema=SCHEMA, n=3, seed=4)
    for completion in (await vllm.generate(asked)).completions:
        assert completion.finish_reason == "stop"
        assert set(json.loads(completion.text)) == {"city", "age"}


async def test_every_text_has_a_seed_of_its_own(vllm: VLLMModel) -> None:
    async def texts(seed: int) -> list[str]:
        asked = GenerateRequest(CAPITAL, max_tokens=16, temperature=1.5, n=3, seed=seed)
        return [completion.text for completion in (await vllm.generate(asked)).completions]

    first, second = await texts(1), await texts(2)
    assert len({*first, *second}) == 6
    assert await texts(1) == first


async def test_what_vllm_refuses_fails_alone(vllm: VLLMModel) -> None:
    long = GenerateRequest((Message("user", "x " * 3000),), max_tokens=5)
    hot = GenerateRequest(CAPITAL, max_tokens=5, temperature=3.0)
    no_schema = GenerateRequest(CAPITAL, max_tokens=5, json_schema={"type": "no type"})
    good = [vllm.generate(GenerateRequest(CAPITAL, max_tokens=5)), vllm.choice_logprobs(lines(2))]
    asked = [*map(vllm.generate, (long, hot, no_schema)), *good]
    too_long, too_hot, wrong, *replies = await asyncio.gather(*asked, return_exceptions=True)
    for error in (too_long, too_hot, wrong):
        assert isinstance(error, PermanentError)
    assert "2048" in str(too_long)
    assert "temperature" in str(too_hot)
    assert not any(isinstance(reply, BaseException) for reply in replies)


async def test_a_choice_that_is_not_listed_is_asked_for(vllm: VLLMModel) -> None:
    listed = await vllm.choice_logprobs(lines(6))
    assert np.isfinite(listed.logprobs).all()
    # One token is listed at each place, and only a digit's own line can hold that digit.
    alone = await vllm._worker.ask(choice_logprobs(await vllm._encoder(), lines(6), 1))
    np.testing.assert_allclose(alone.logprobs, listed.logprobs, rtol=0, atol=1e-3)


async def test_what_the_cache_holds_is_computed_where_it_is_asked_for(vllm: VLLMModel) -> None:
    first = await vllm.choice_logprobs(lines(60))
    again = await vllm.choice_logprobs(lines(60))
    assert (again.usage.cached_prompt_tokens or 0) >= 128, "the cache covers the first slots"
    assert again.usage.prompt_tokens == first.usage.prompt_tokens == await vllm.count_tokens(lines(60))
    np.testing.assert_allclose(again.logprobs, first.logprobs, rtol=0, atol=1e-3)


async def test_slots_in_order_read_the_answers_before_them(vllm: VLLMModel) -> None:
    pieces = lines(11).pieces
    reply = await vllm.choice_logprobs(ChoiceRequest(pieces, DIGITS, None))
    answers = [DIGITS[index] for index in reply.logprobs.argmax(-1)]
    assert len(set(answers)) > 1, "or guesses would always be right"
    text, expected = pieces[0], []
    for answer, piece in zip(answers, pieces[1:], strict=True):
        alone = await vllm.choice_logprobs(ChoiceRequest((text, "\n"), DIGITS, "0"))
        expected.append(alone.logprobs[0])
        text += answer + piece
    np.testing.assert_allclose(reply.logprobs, np.array(expected), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "simulator",
    [
        lambda llm: LogprobSimulator(LogprobConfig(), llm),
        lambda llm: LogprobSimulator(LogprobConfig(chat=True), llm),
        lambda llm: LogprobSimulator(LogprobConfig(mode=Mode.ONE_AT_A_TIME), llm),
        lambda llm: JsonSimulator(JsonConfig(), llm),
    ],
    ids=["all at once", "chat", "one at a time", "json"],
)
async def test_every_simulator_is_served(vllm: VLLMModel, simulator: Callable[[LanguageModel], Simulator]) -> None:
    gloss, sequence = prose_explanation("names of places"), token_sequence(("Lima", " sells", " tea"))
    (simulation,) = await simulator(vllm).simulate(gloss, [sequence])
    assert isinstance(simulation, Simulation)
    assert np.isfinite(simulation.expected).any()


@pytest.mark.parametrize(("dtype", "mean", "most"), [("float32", 0.01, 0.01), ("bfloat16", 0.05, 1.0)])
def test_levels_are_those_of_another_computation(
    model_in: Callable[[str], VLLMModel], dtype: str, mean: float, most: float
) -> None:
    file = os.environ.get("NEUROGLOSS_LIVE_LEVELS")
    if file is None:
        pytest.skip("NEUROGLOSS_LIVE_LEVELS names no file with expected levels; the live tests write it")
    given = json.loads(Path(file).read_text(encoding="utf-8"))
    model = model_in(dtype)

    async def ask() -> np.ndarray:
        asked = [ChoiceRequest(tuple(pieces), DIGITS, given["fill"]) for pieces in given["pieces"]]
        replies = await asyncio.gather(*map(model.choice_logprobs, asked))
        return np.exp([reply.logprobs for reply in replies])

    probabilities = asyncio.run(ask())
    levels = probabilities @ np.arange(10) / probabilities.sum(-1)
    apart = np.abs(levels - np.array(given["levels"]))
    assert apart.size >= 200
    print(f"\nvLLM in process, {dtype}: {apart.mean():.4f} levels apart in the mean, {apart.max():.4f} at most")
    assert apart.mean() <= mean
    assert apart.max() <= most
