"""What a vLLM server was asked, whoever asked it: by the server's own counters."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

COUNTERS = {
    "requests": re.compile(r'^http_requests_total\{.*handler="/v1/(?:chat/)?completions".*\} (\S+)$', re.MULTILINE),
    "prompt_tokens": re.compile(r"^vllm:prompt_tokens_total\{.*\} (\S+)$", re.MULTILINE),
    "completion_tokens": re.compile(r"^vllm:generation_tokens_total\{.*\} (\S+)$", re.MULTILINE),
}


@contextmanager
def counted(base_url: str) -> Iterator[dict[str, int]]:
    """Fills in, after the block, what was asked within it; nobody else may ask."""
    before = _counters(base_url)
    spent: dict[str, int] = {}
    yield spent
    spent.update({name: value - before[name] for name, value in _counters(base_url).items()})


def _counters(base_url: str) -> dict[str, int]:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return {name: round(sum(map(float, each.findall(text)))) for name, each in COUNTERS.items()}
