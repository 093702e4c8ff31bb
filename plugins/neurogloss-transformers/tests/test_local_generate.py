"""`LocalModel.generate` against `model.generate`, and the life of the thread behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import torch

from neurogloss.errors import PermanentError
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE
from neurogloss.interfaces.text_logprobs import TEXT_LOGPROBS
from neurogloss.records.documents import Message
from neurogloss.records.requests import ChoiceRequest, GenerateReply, GenerateRequest
from neurogloss_transformers.configs import LocalModelConfig
from neurogloss_transformers.loading import load_model, load_tokenizer, model_identity
from neurogloss_transformers.local import LocalModel

PROMPTS = (
    "The capital of France is Paris, and the",
    "The capital of France is Paris, and the tea is hot.",
    "中文",
    "The capital of France is Paris, and the café",
)


def config(folder: str, **options: Any) -> LocalModelConfig:
    return LocalModelConfig(model=folder, device="cpu", **options)


def request(text: str, *, max_tokens: int = 12, **options: Any) -> GenerateRequest:
    return GenerateRequest((Message("user", text),), max_tokens, **options)


async def ask(folder: str, *requests: GenerateRequest) -> list[GenerateReply]:
    model = LocalModel(config(folder))
    try:
        return await asyncio.gather(*map(model.generate, requests))
    finally:
        await model.close()


def continued(folder: str, prompt: str, max_tokens: int = 12) -> tuple[str, int]:
    """What transformers' own greedy generation writes, and with how many tokens."""
    model: Any = load_model(config(folder))
    tokenizer: Any = load_tokenizer(config(folder))
    inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        output = model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False, eos_token_id=1, pad_token_id=2)
    written = output[0, inputs["input_ids"].shape[1] :]
    return tokenizer.decode(written, skip_special_tokens=True), len(written)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "mistral", "gemma3", "opt"])
async def test_greedy_equals_the_models_own(prompt_folder: Callable[..., str], architecture: str) -> None:
    folder = prompt_folder(architecture, chat=False)
    for prompt, reply in zip(PROMPTS, await ask(folder, *map(request, PROMPTS)), strict=True):
        text, n_tokens = continued(folder, prompt)
        assert reply.completions[0].text == text
        assert reply.usage.completion_tokens == n_tokens
        assert reply.usage.prompt_tokens == len(load_tokenizer(config(folder))(prompt).input_ids)


async def test_the_chat_template_is_used(prompt_folder: Callable[..., str]) -> None:
    folder = prompt_folder("llama")
    (reply,) = await ask(folder, request("The tea?"))
    assert reply.completions[0].text == continued(folder, "<|user|>\nThe tea?<|eos|>\n")[0]


async def test_a_last_assistant_message_is_continued(prompt_folder: Callable[..., str]) -> None:
    folder = prompt_folder("llama")
    messages = (Message("user", "The tea?"), Message("assistant", "It is"))
    (reply,) = await ask(folder, GenerateRequest(messages, 12))
    assert reply.completions[0].text == continued(folder, "<|user|>\nThe tea?<|eos|>\n<|assistant|>\nIt is")[0]


async def test_samples_follow_their_seed_alone(prompt_folder: Callable[..., str]) -> None:
    folder = prompt_folder("llama")
    asked = request(PROMPTS[0], temperature=1.5, seed=5, n=3)
    (alone,) = await ask(folder, asked)
    together, other, *_ = await ask(folder, asked, request(PROMPTS[0], temperature=1.5, seed=6), *map(request, PROMPTS))
    assert together.completions == alone.completions
    assert len({completion.text for completion in (*alone.completions, *other.completions)}) == 4


async def test_samples_follow_the_tempered_distribution(prompt_folder: Callable[..., str]) -> None:
    folder = prompt_folder("llama", chat=False)
    (reply,) = await ask(folder, request(PROMPTS[0], max_tokens=1, temperature=0.5, n=400))
    model: Any = load_model(config(folder))
    tokenizer: Any = load_tokenizer(config(folder))
    with torch.no_grad():
        logits = model(**tokenizer(PROMPTS[0], return_tensors="pt", return_token_type_ids=False)).logits[0, -1]
    likely, token = (logits.double() / 0.5).softmax(-1).max(-1)
    text = tokenizer.decode([token])
    share = sum(completion.text == text for completion in reply.completions) / 400
    assert abs(share - float(likely)) < 4 * (float(likely) * (1 - float(likely)) / 400) ** 0.5 + 1e-9
    assert reply.usage.completion_tokens == 400


async def test_a_stop_string_ends_the_text_before_it(prompt_folder: Callable[..., str]) -> None:
    folder = prompt_folder("llama", chat=False)
    text, _ = continued(folder, PROMPTS[0])
    stop = text[4:6]
    free, stopped = await ask(folder, request(PROMPTS[0]), request(PROMPTS[0], stop=("never", stop)))
    assert (free.completions[0].text, free.completions[0].finish_reason) == (text, "length")
    assert stopped.completions[0].text == text[: text.index(stop)]
    assert stopped.completions[0].finish_reason == "stop"


async def test_the_end_token_ends_the_text(prompt_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = prompt_folder("llama", chat=False)
    text, _ = continued(folder, PROMPTS[0])
    end = load_tokenizer(config(folder))(PROMPTS[0] + text).input_ids
    n_prompt = len(load_tokenizer(config(folder))(PROMPTS[0]).input_ids)
    model = LocalModel(config(folder))
    first = await model.generate(request(PROMPTS[0], max_tokens=1))
    monkeypatch.setattr(model, "_end_tokens", frozenset([end[n_prompt]]))
    ended = await model.generate(request(PROMPTS[0]))
    await model.close()
    assert first.completions[0].finish_reason == "length"
    assert (ended.completions[0].text, ended.completions[0].finish_reason) == ("", "stop")
    assert ended.usage.completion_tokens == 1


async def test_the_context_bounds_prompt_and_text(prompt_folder: Callable[..., str]) -> None:
    folder = prompt_folder("gpt2", chat=False)
    model = LocalModel(config(folder))
    with pytest.raises(PermanentError, match="400 tokens, which do not fit into this model's context of 400"):
        await model.generate(request("\t" * 400))
    reply = await model.generate(request("\t" * 397, max_tokens=50))
    await model.close()
    assert reply.usage.completion_tokens == 3
    assert reply.completions[0].finish_reason == "length"


async def test_empty_requests_are_refused(prompt_folder: Callable[..., str]) -> None:
    model = LocalModel(config(prompt_folder("llama", chat=False)))
    for bad in (request(""), request("a", max_tokens=0), request("a", n=0)):
        with pytest.raises(PermanentError, match="needs a prompt"):
            await model.generate(bad)
    await model.close()


def test_building_loads_nothing(prompt_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    for loader in ("load_model", "load_tokenizer"):
        monkeypatch.setattr(f"neurogloss_transformers.local.{loader}", None)
    asked = config(prompt_folder("llama"), dtype="bfloat16")
    model = LocalModel(asked)
    assert model.capabilities == {GENERATE, CHOICE_LOGPROBS, TEXT_LOGPROBS}
    assert model.identity() == {"provider": "local", **model_identity(asked), "dtype": "bfloat16"}


def test_two_event_loops_one_after_the_other(prompt_folder: Callable[..., str]) -> None:
    model = LocalModel(config(prompt_folder("llama")))
    first, second = (asyncio.run(model.generate(request(PROMPTS[0]))) for _ in range(2))
    asyncio.run(model.close())
    assert first.completions == second.completions


async def test_a_cancelled_request_leaves_the_others(prompt_folder: Callable[..., str]) -> None:
    model = LocalModel(config(prompt_folder("llama")))
    tasks = [asyncio.ensure_future(model.generate(request(prompt))) for prompt in PROMPTS]
    await asyncio.sleep(0)
    tasks[1].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    choice = await model.choice_logprobs(ChoiceRequest(("a\t", ""), ("0", "1"), "0"))
    await model.close()
    assert isinstance(done[1], asyncio.CancelledError)
    assert all(isinstance(reply, GenerateReply) for index, reply in enumerate(done) if index != 1)
    assert choice.logprobs.shape == (1, 2)


async def test_a_closed_model_answers_nobody(prompt_folder: Callable[..., str]) -> None:
    model = LocalModel(config(prompt_folder("llama")))
    waiting = [asyncio.ensure_future(model.generate(request(prompt))) for prompt in PROMPTS]
    await asyncio.sleep(0)
    await model.close()
    replies = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(reply, GenerateReply | PermanentError) for reply in replies)
    with pytest.raises(PermanentError, match="closed"):
        await model.generate(request(PROMPTS[0]))
