"""A server with OpenAI's chat and completions (echo included), whose replies depend on the request alone.

Usage, as a program: python scripted_server.py LATENCY_S    (prints its port; ends with its standard input)
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import Message, read_message, reply, served

MODEL = "tiny"
_SLOT = re.compile("(unknown)")
_LEVELS = tuple(map(str, range(11)))


@dataclass
class ScriptedServer:
    """Knows one model, and one key where it has one."""

    key: str | None = None
    latency_s: float = 0.0
    seen: list[str] = field(default_factory=list)
    """The paths of what was answered."""

    @contextmanager
    def running(self) -> Iterator[int]:
        """Gives the port."""
        with served(self._connected) as port:
            yield port

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_message(reader)) is not None:
            due = time.monotonic() + self.latency_s
            answer = self._answer(request)
            await asyncio.sleep(due - time.monotonic())  # what this server itself needs is no part of the latency
            writer.write(answer)
            await writer.drain()
            self.seen.append(request.path)

    def _answer(self, request: Message) -> bytes:
        answers = {"chat/completions": _chat, "completions": _completions}
        path = request.path.partition("/v1/")[2]
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if path not in answers:
            return reply(404, _error("Not Found", None))
        if self.key is not None and given != self.key:
            return reply(401, _error(f"Incorrect API key provided: {given}", "invalid_api_key"))
        body = request.json()
        if body["model"] != MODEL:
            return reply(404, _error(f"The model {body['model']!r} does not exist", "model_not_found"))
        return reply(200, answers[path](body))


def _error(message: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


def _chat(body: dict[str, Any]) -> dict[str, Any]:
    drawn = hashlib.sha256(repr([body["messages"], body.get("seed")]).encode()).hexdigest()
    text = f"words like {drawn[:5]} and {drawn[5:10]}"
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return _reply("".join(message["content"] for message in body["messages"]), choice)


def _completions(body: dict[str, Any]) -> dict[str, Any]:
    """Tells of every slot how likely each level is there, from a hash of all that stands before it."""
    tokens = [token for token in _SLOT.split(body["prompt"]) if token]
    before, tops = hashlib.sha256(), list[dict[str, float] | None]()
    for token in tokens:
        tops.append(_top(before.digest()) if token == "unknown" else None)
        before.update(token.encode())
    offsets = [0]
    for token in tokens:
        offsets.append(offsets[-1] + len(token))
    told = {"tokens": [*tokens, "\n"], "text_offset": offsets, "top_logprobs": [*tops, None]}
    choice = {"index": 0, "text": body["prompt"] + "\n", "finish_reason": "length", "logprobs": told}
    return _reply(body["prompt"], choice)


def _top(digest: bytes) -> dict[str, float]:
    peak = digest[0] % len(_LEVELS)
    return {level: -0.5 - abs(index - peak) * (1 + digest[1] / 256) for index, level in enumerate(_LEVELS)}


def _reply(prompt: str, choice: dict[str, Any]) -> dict[str, Any]:
    usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": 1}
    return {"id": "1", "object": "text", "choices": [choice], "usage": usage}


if __name__ == "__main__":
    with ScriptedServer(latency_s=float(sys.argv[1])).running() as told_port:
        print(told_port, flush=True)
        sys.stdin.read()
