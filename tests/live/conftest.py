"""A real vLLM server, a real model, and what the model itself says to twenty questions."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from neurogloss.builtin.simulators.logprob import expected_levels, level_probabilities
from neurogloss.records.requests import ChoiceReply, ChoiceRequest

sys.path.append(str(Path(__file__).parent))
from serving import VLLM_VARIABLES, NoAnswerError, plain_folder, served

ROOT = Path(__file__).parents[2]
MODEL = "smollm2"
LEVELS = tuple("0123456789")
N_SEQUENCES = 20
N_TOKENS = 12


@dataclass(frozen=True)
class VLLMServer:
    """A server on loopback."""

    url: str
    """Its address, without `/v1`."""
    model: str
    """The name it serves."""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def openai(self) -> tuple[str, ...]:
        """Overrides for the command line: this server through the OpenAI plugin."""
        # The server spells out every token that it lists, so each costs time.
        return "llm=vllm_server", f"llm.model={self.model}", f"llm.base_url={self.url}/v1", "llm.top_logprobs=100"

    @property
    def anthropic(self) -> tuple[str, ...]:
        """The same through the Anthropic plugin."""
        return "llm=anthropic", f"llm.model={self.model}", f"llm.base_url={self.url}", "llm.api_key_env=null"


StartServer = Callable[[str], AbstractContextManager[VLLMServer]]


def _lacking(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def vllm_python() -> str:
    """The interpreter of the environment in which vLLM is installed."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("vLLM for the CPU runs on Linux on x86-64 only")
    python = ROOT / ".venv-vllm" / "bin" / "python"
    if not (ROOT / ".venv-vllm" / "installed").is_file():
        _lacking("there is no .venv-vllm; type: sh scripts/vllm_environment.sh")
    return str(python)


@pytest.fixture(scope="session")
def vllm_variables() -> dict[str, str]:
    """What vLLM is told through the environment."""
    return VLLM_VARIABLES


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Overrides for a run of seconds: two neurons, short texts, few of them, collected once for all tests."""
    return (
        f"store.root={tmp_path_factory.mktemp('runs')}",
        "subject=smollm2",
        "units=[layers.5.mlp/12,layers.20.mlp/700]",
        "collection.max_documents=24",
        "collection.sequence_length=8",
        "collection.top_k=4",
        "explainer.n_records=2",
        "explainer.max_tokens=12",
        "scorer.openai_2023.n_top=2",
        "scorer.openai_2023.n_random=2",
        "scorer.openai_2023.min_records=2",
        "floor=[token_table]",
    )


@pytest.fixture(scope="session")
def smollm2_folder() -> str:
    """SmolLM2 as a plain folder that any tool serves; the weights are those of `llm=local`."""
    from neurogloss.errors import SubjectError

    try:
        return plain_folder()
    except SubjectError as error:
        _lacking(str(error))


@pytest.fixture(scope="session")
def start_vllm_server(vllm_python: str, smollm2_folder: str, tmp_path_factory: pytest.TempPathFactory) -> StartServer:
    """Starts a server in a dtype, and stops it: `with start_vllm_server("float32") as server`."""

    @contextmanager
    def start(dtype: str) -> Iterator[VLLMServer]:
        log = tmp_path_factory.mktemp("vllm") / "server.log"
        try:
            with served(vllm_python, smollm2_folder, MODEL, dtype, log) as address:
                yield VLLMServer(address, MODEL)
        except NoAnswerError as error:
            pytest.fail(str(error))

    return start


@pytest.fixture(scope="session")
def vllm_server(start_vllm_server: StartServer) -> Iterator[VLLMServer]:
    """SmolLM2 in float32, one server for all tests."""
    with start_vllm_server("float32") as server:
        yield server


@pytest.fixture(scope="session")
def level_questions() -> list[ChoiceRequest]:
    """Twenty simulations of twelve tokens each, after instructions and examples that all share."""
    # 128 tokens, which is what vLLM's cache holds in one block on the CPU, are the same for all.
    head = (ROOT / "tests" / "live" / "levels.txt").read_text(encoding="utf-8")
    words = [
        "The",
        "small",
        "café",
        "of",
        "Nairobi",
        "sold",
        "7",
        "tea",
        "people",
        "Lima",
        "Oslo",
        "don't",
        "中文",
        ":",
    ]
    questions = []
    for seed in range(N_SEQUENCES):
        drawn = np.random.default_rng(seed).integers(len(words), size=N_TOKENS)
        lines = [f" {words[index]} =>" for index in drawn]
        questions.append(ChoiceRequest((head + lines[0], *(f"\n{line}" for line in lines[1:]), "\n"), LEVELS, "0"))
    return questions


@pytest.fixture(scope="session")
def expected_level() -> Callable[[ChoiceReply], np.ndarray]:
    """The expected level at each slot of a reply [slot]."""
    return lambda reply: expected_levels(level_probabilities(reply.logprobs, 0.0))


@pytest.fixture(scope="session")
def local_levels(
    smollm2_folder: str, level_questions: list[ChoiceRequest], expected_level: Callable[[ChoiceReply], np.ndarray]
) -> np.ndarray:
    """What `llm=local` expects in float32 [sequence token]."""
    from neurogloss_transformers.configs import LocalModelConfig
    from neurogloss_transformers.local import LocalModel

    async def ask() -> list[ChoiceReply]:
        model = LocalModel(LocalModelConfig(device="cpu"))
        try:
            return list(await asyncio.gather(*map(model.choice_logprobs, level_questions)))
        finally:
            await model.close()

    return np.array([expected_level(reply) for reply in asyncio.run(ask())])
