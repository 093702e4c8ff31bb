"""The OpenAI plugin against a real vLLM server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurogloss.cli.main import main
from neurogloss.records.documents import Message
from neurogloss.records.requests import ChoiceReply, ChoiceRequest, GenerateRequest
from neurogloss_openai.configs import ChoiceMethod, OpenAIConfig
from neurogloss_openai.model import OpenAIModel

sys.path.append(str(Path(__file__).parents[1] / "faults"))
from fault_proxy import FaultProxy, Faults
from faulty_runs import Store

DIGITS = tuple("0123456789")
CAPITAL = (Message("user", "What is the capital of France? Answer with one word."),)
COUNTING = ChoiceRequest(("Counting: 1, 2, 3, ", ", ", ", 6, ", ", 8"), DIGITS, "4")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "maximum": 5000}},
    "required": ["city", "age"],
    "additionalProperties": False,
}

Ask = Callable[..., Any]


@pytest.fixture
def ask(vllm_server: Any) -> Ask:
    """Asks one question of the server's model: `ask("generate", request, **options)`."""

    def ask(verb: str, *arguments: Any, **options: Any) -> Any:
        async def answer() -> Any:
            config = OpenAIConfig(
                model=vllm_server.model,
                provider="vllm",
                base_url=f"{vllm_server.url}/v1",
                api_key_env=None,
                **{"choice_method": ChoiceMethod.ECHO, "top_logprobs": 100, **options},
            )
            model = OpenAIModel(config)
            try:
                return await getattr(model, verb)(*arguments)
            finally:
                await model.close()

        return asyncio.run(answer())

    return ask


def test_a_chat_is_answered(ask: Ask) -> None:
    reply = ask("generate", GenerateRequest(CAPITAL, max_tokens=12))
    assert "Paris" in reply.completions[0].text
    assert reply.completions[0].finish_reason == "stop"
    assert reply.usage.prompt_tokens == 42
    drawn = ask("generate", GenerateRequest(CAPITAL, max_tokens=8, temperature=1.5, n=3, seed=5))
    assert len({completion.text for completion in drawn.completions}) == 3


def test_tokens_are_counted_as_they_are_charged(ask: Ask) -> None:
    chat = GenerateRequest(CAPITAL, max_tokens=1)
    assert ask("count_tokens", chat) == ask("generate", chat).usage.prompt_tokens
    assert ask("count_tokens", COUNTING) == ask("choice_logprobs", COUNTING).usage.prompt_tokens


def test_texts_follow_a_schema(ask: Ask) -> None:
    (completion,) = ask("generate", GenerateRequest(CAPITAL, max_tokens=60, json_schema=SCHEMA)).completions
    assert completion.finish_reason == "stop"
    assert set(json.loads(completion.text)) == {"city", "age"}


def test_usable_choices_are_those_of_the_tokenizer(ask: Ask) -> None:
    assert ask("usable_choices", (*DIGITS, "10", "Yes", " Paris")) == (*DIGITS, "Yes", " Paris")


def test_echo_and_slots_tell_the_same(ask: Ask) -> None:
    echoed: ChoiceReply = ask("choice_logprobs", COUNTING)
    by_slots: ChoiceReply = ask("choice_logprobs", COUNTING, choice_method=ChoiceMethod.SLOTS)
    np.testing.assert_allclose(by_slots.logprobs, echoed.logprobs, rtol=0, atol=1e-3)
    assert DIGITS[echoed.logprobs[0].argmax()] == "4"


def test_slots_in_order_read_the_answers_before_them(ask: Ask) -> None:
    reply: ChoiceReply = ask("choice_logprobs", ChoiceRequest(COUNTING.pieces, DIGITS, None))
    assert [DIGITS[index] for index in reply.logprobs.argmax(-1)] == ["4", "5", "7"]


def test_a_chat_lists_its_most_likely_tokens(ask: Ask) -> None:
    reply: ChoiceReply = ask("choice_logprobs", COUNTING, choice_method=ChoiceMethod.TOP_LOGPROBS)
    assert reply.logprobs.shape == (3, 10)
    assert np.isfinite(reply.logprobs).any(axis=1).all()


def test_float32_levels_are_those_of_the_model_in_process(
    ask: Ask,
    level_questions: Sequence[ChoiceRequest],
    local_levels: np.ndarray,
    expected_level: Callable[[ChoiceReply], np.ndarray],
) -> None:
    levels = np.array([expected_level(ask("choice_logprobs", question)) for question in level_questions])
    apart = np.abs(levels - local_levels)
    assert apart.shape == (20, 12)
    print(f"\nvLLM server, float32: {apart.mean():.5f} levels apart in the mean, {apart.max():.5f} at most")
    assert apart.max() <= 0.01


def test_doctor_finds_what_is_declared(vllm_server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", *vllm_server.openai, "--json"])
    told = json.loads(capsys.readouterr().out)
    found = {check["check"].partition(": ")[2]: check["found"] for check in told["checks"]}
    assert code == 0, told
    for ability in ("generate", "json_schema", "seed", "n", "prompt log-probabilities (echo)"):
        assert found[ability].startswith("works"), found


def test_doctor_names_a_model_that_is_not_served(vllm_server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *vllm_server.openai, "llm.model=another"]) == 1
    assert f"it lists {vllm_server.model}" in capsys.readouterr().out


def test_a_small_run(vllm_server: Any, small_run: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", *small_run, *vllm_server.openai, "--json"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert sum(row["arm"] == "main" for row in first["explanations"]) == 2
    assert all(row["n_answered"] == row["n_asked"] > 0 for row in first["scores"])
    assert first["ledger"]["prompt_tokens"] > 0
    assert first["ledger"]["usd"] == 0
    assert main(command) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["scores"] == first["scores"]
    assert again["ledger"]["calls"] == first["ledger"]["calls"], "nothing is asked twice"


@pytest.mark.parametrize(
    "simulator",
    [
        ("simulator=json",),
        ("simulator=logprob", "simulator.chat=true"),
        ("simulator=logprob", "simulator.layout=compact"),
        ("simulator=logprob", "simulator.mode=one_at_a_time"),
        ("simulator=logprob", "llm.choice_method=top_logprobs", "llm.top_logprobs=20"),
    ],
    ids=["json", "chat", "compact", "one at a time", "top_logprobs"],
)
def test_every_simulator_is_served(
    vllm_server: Any, small_run: tuple[str, ...], capsys: pytest.CaptureFixture[str], simulator: tuple[str, ...]
) -> None:
    # The ledger holds the explanation by now.
    overrides = ("units=[layers.5.mlp/12]", "floor=[]", *simulator)
    code = main(["run", *small_run, *vllm_server.openai, *overrides, "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    (row,) = json.loads(captured.out)["scores"]
    assert row["n_failed"] == 0
    assert row["n_answered"] + row["n_unparsable"] == row["n_asked"] > 0
    assert row["n_answered"] > 0


def test_a_server_that_fails_at_three_calls_in_ten_changes_nothing(
    vllm_server: Any, small_run: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = Faults(seed=3, passing=0.3)
    with FaultProxy(vllm_server.port).running() as proxy:
        address, lane = proxy.lane("disturbed", faults)
        overrides = (*vllm_server.openai, f"llm.base_url={address}", f"store.root={tmp_path}", "limits.attempts=12")
        code = main(["run", *small_run, *overrides, "units=[layers.5.mlp/12]", "floor=[]", "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    (row,) = json.loads(captured.out)["scores"]
    assert row["n_answered"] == row["n_asked"] > 0
    assert any(exchange.fate for exchange in lane.log)
    assert Store(tmp_path).answered() == lane.answered
    assert set(lane.answered.values()) == {1}, "nothing is asked after it was answered"
