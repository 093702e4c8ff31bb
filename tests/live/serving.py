"""Starts a real vLLM server, for the live tests and the benchmarks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

START_SECONDS = 400
"""How long a server may take until it answers; two minutes are usual on two cores."""
VLLM_VARIABLES = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    # Threads that wait for each other at full speed take turns with whatever else the machine does.
    "OMP_WAIT_POLICY": "passive",
}


class NoAnswerError(Exception):
    """A server did not answer in time; says how its log ends."""


def plain_folder() -> str:
    """SmolLM2 as a plain folder that any tool serves; the weights are those of `llm=local`.

    Raises:
        SubjectError: The package that holds it is not installed.
    """
    from neurogloss_transformers.configs import LocalModelConfig
    from neurogloss_transformers.gguf import converted
    from neurogloss_transformers.sources import find_model

    source = find_model(LocalModelConfig())
    assert source.path is not None
    return str(converted(source.path))


@contextmanager
def served(
    python: str, folder: str, name: str, dtype: str, log: Path, options: Sequence[str] = ("--enforce-eager",)
) -> Iterator[str]:
    """Serves a model on loopback within the block; gives the server's address, without `/v1`.

    Args:
        python: The interpreter of the environment in which vLLM is installed.
        folder: The model.
        name: The name it is served under.
        dtype: What it computes in.
        log: Where the server writes what it says.
        options: Further ones of the server.

    Raises:
        NoAnswerError: It does not answer.
    """
    port = _free_port()
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--model", folder, "--served-model-name", name, "--dtype", dtype]
    command += ["--max-model-len", "4096", "--max-logprobs", "100", "--generation-config", "vllm", *options]
    with log.open("wb") as written:
        # A session of its own, so that the engine's processes end with it.
        process = subprocess.Popen(
            command,
            env={**os.environ, **VLLM_VARIABLES},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], health: str, log: Path) -> None:
    for _ in range(START_SECONDS):
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        try:
            process.wait(timeout=1)
            break
        except subprocess.TimeoutExpired:
            pass
    end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])
    raise NoAnswerError(f"the vLLM server did not answer; the end of its log:\n{end}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
