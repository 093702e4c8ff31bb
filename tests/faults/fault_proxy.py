"""A proxy on loopback that spoils some replies, by a seeded hash of the request and the attempt."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import Message, read_message, reply, served

DELIVERED = ""
REFUSED = "refused"
PASSING = (
    "429",
    "429 retry-after",
    "408",
    "409",
    "500",
    "503",
    "dropped in the middle",
    "dropped at once",
    "truncated JSON",
    "no JSON",
    "empty choices",
    "wrong types",
    "no object",
)
"""What may be well when asked again."""
LASTING = ("wrong key", "unknown model", "too long", "filtered")
"""What a request meets at every attempt, if it does."""


@dataclass(frozen=True)
class Faults:
    """How often what goes wrong."""

    seed: int = 0
    passing: float = 0.0
    """Share of attempts that fail in one of the ways of `PASSING`."""
    hanging: float = 0.0
    """Share of attempts that are never answered."""
    refused: float = 0.0
    """Share of attempts to which the model says no; that is a reply."""
    lasting: float = 0.0
    """Share of requests that fail in one of the ways of `LASTING`."""

    def fault(self, request: str, attempt: int) -> str:
        """What happens to an attempt."""
        if self._drawn(request) < self.lasting:
            return LASTING[int(self._drawn(request, "kind") * len(LASTING))]
        drawn = self._drawn(request, attempt)
        if drawn < self.passing:
            return PASSING[int(drawn / self.passing * len(PASSING))]
        if drawn < self.passing + self.hanging:
            return "hang"
        return REFUSED if drawn < self.passing + self.hanging + self.refused else DELIVERED

    def _drawn(self, *what: object) -> float:
        return int.from_bytes(hashlib.sha256(repr((self.seed, *what)).encode()).digest()[:6], "big") / 2**48


@dataclass(frozen=True)
class Exchange:
    """An attempt, and what became of it."""

    request: str
    """See `fingerprint`."""
    fate: str

    @property
    def answered(self) -> bool:
        """A reply that is one was delivered whole."""
        return self.fate in (DELIVERED, REFUSED)


@dataclass
class Lane:
    """What one user of the proxy meets, and what it has asked."""

    faults: Faults = field(default_factory=Faults)
    log: list[Exchange] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> Counter[str]:
        """The requests that were answered."""
        return Counter(exchange.request for exchange in self.log if exchange.answered)


class FaultProxy:
    """Stands before a server; paths are /LANE/v1/..., and each lane has its faults and its log.

    Args:
        upstream: The port of the server.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self.lanes: dict[str, Lane] = {}
        self.port = 0

    def lane(self, name: str, faults: Faults | None = None) -> tuple[str, Lane]:
        """A lane with an empty log: its base URL and itself."""
        self.lanes[name] = Lane(faults or Faults())
        return f"http://127.0.0.1:{self.port}/{name}/v1", self.lanes[name]

    @contextmanager
    def running(self) -> Iterator[FaultProxy]:
        """Serves."""
        with served(self._connected) as self.port:
            yield self

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_message(reader)) is not None:
            if not await self._pass_on(request, await self._answer(request), reader, writer):
                return

    async def _answer(self, request: Message) -> Message:
        # A connection for each request: real servers close those that are idle.
        upstream, towards = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            towards.write(_forwarded(request))
            answer = await read_message(upstream)
            assert answer is not None
            return answer
        finally:
            towards.close()

    async def _pass_on(
        self, request: Message, answer: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection can be used again."""
        lane = self.lanes[request.path.split("/")[1]]
        fate = DELIVERED
        if "/v1/" in request.path:
            body = request.json()
            key = fingerprint(body)
            lane.attempts[key] += 1
            fate = lane.faults.fault(key, lane.attempts[key])
            if fate == REFUSED and "messages" not in body:
                fate = DELIVERED
            if not fate and answer.status != 200:
                fate = f"status {answer.status}"
            lane.log.append(Exchange(key, fate))
        if fate == "hang":
            await reader.read(1)  # until the client gives up
            return False
        writer.write(_spoiled(fate, request, answer))
        await writer.drain()
        return not fate.startswith("dropped")


def fingerprint(body: dict[str, Any]) -> str:
    """Names a request for text or for an echo by what was asked."""
    texts = [message["content"] for message in body["messages"]] if "messages" in body else [body["prompt"]]
    return hashlib.sha256(json.dumps([texts, body.get("seed")]).encode()).hexdigest()


def _forwarded(request: Message) -> bytes:
    kept = {name: request.headers[name] for name in ("authorization",) if name in request.headers}
    verb, path, version = request.start.split()
    head = [f"{verb} {path[path.index('/', 1) :]} {version}", "host: 127.0.0.1"]
    head += ["connection: close", f"content-length: {len(request.body)}"]
    head += ["content-type: application/json", *(f"{name}: {kept[name]}" for name in kept)]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + request.body


def _spoiled(fate: str, request: Message, answer: Message) -> bytes:
    said = f"We are sorry; you sent {dict(request.headers)}"  # a careless server quotes the key
    error = {"error": {"message": said, "type": "server_error", "code": None}}
    match fate:
        case "429 retry-after":
            return reply(429, error, {"retry-after": "2"})
        case "429" | "408" | "409" | "500" | "503":
            return reply(int(fate), error)
        case "dropped in the middle":
            return reply(200, answer.body[: len(answer.body) // 2], missing=len(answer.body))
        case "dropped at once":
            return b""
        case "truncated JSON":
            return reply(200, answer.body[: len(answer.body) // 2])
        case "no JSON":
            return reply(200, b"<html>Bad gateway</html>")
        case "empty choices":
            return reply(200, {**answer.json(), "choices": []})
        case "wrong types":
            return reply(200, _with_wrong_types(answer.json()))
        case "no object":
            return reply(200, [answer.json()])
        case "refused":
            return reply(200, _refusal(answer.json()))
        case "wrong key":
            return reply(401, error)
        case "unknown model":
            return reply(404, error)
        case "too long":
            return reply(400, {"error": {"message": said, "code": "context_length_exceeded"}})
        case "filtered":
            return reply(400, {"error": {"message": said, "code": "content_filter"}})
    return reply(answer.status, answer.body)


def _with_wrong_types(body: dict[str, Any]) -> dict[str, Any]:
    (choice,) = body["choices"]
    if "message" in choice:
        return {**body, "choices": [{**choice, "message": {"role": "assistant", "content": 5}}]}
    tops = [None if top is None else dict.fromkeys(top, "likely") for top in choice["logprobs"]["top_logprobs"]]
    return {**body, "choices": [{**choice, "logprobs": {**choice["logprobs"], "top_logprobs": tops}}]}


def _refusal(body: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "refusal": "I would rather not."}
    return {**body, "choices": [{**body["choices"][0], "message": message}]}
