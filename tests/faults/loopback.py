"""As much of HTTP/1.1 as loopback needs, served from a thread."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Message:
    """A request or a reply."""

    start: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def path(self) -> str:
        """Of a request."""
        return self.start.split()[1]

    @property
    def status(self) -> int:
        """Of a reply."""
        return int(self.start.split()[1])

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body or b"{}")


async def read_message(reader: asyncio.StreamReader) -> Message | None:
    """The next message; `None` where the other side has closed the connection."""
    try:
        start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return Message(start, headers, await reader.readexactly(int(headers.get("content-length", 0))))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def reply(status: int, content: Any, headers: Mapping[str, str] | None = None, missing: int = 0) -> bytes:
    """A reply in JSON, or of bytes as they are; `missing` more bytes are promised than come."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    told = {"content-type": "application/json", "content-length": str(len(body) + missing), **(headers or {})}
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}", *(f"{name}: {told[name]}" for name in told)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@contextmanager
def served(connected: Connected) -> Iterator[int]:
    """Serves in a thread of its own; gives the port."""
    started: threading.Event = threading.Event()
    found: dict[str, Any] = {}
    at_work: set[asyncio.Task[None] | None] = set()  # an event loop holds its tasks weakly

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_work.add(task := asyncio.current_task())
        try:
            await connected(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            at_work.discard(task)

    async def serve() -> None:
        server = await asyncio.start_server(guarded, "127.0.0.1", 0, backlog=256)
        ended = asyncio.Event()
        found.update(port=server.sockets[0].getsockname()[1], end=ended.set, loop=asyncio.get_running_loop())
        started.set()
        await ended.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    started.wait()
    try:
        yield found["port"]
    finally:
        found["loop"].call_soon_threadsafe(found["end"])
        thread.join()
