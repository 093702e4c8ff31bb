"""A server on loopback that speaks OpenAI's API, and what vLLM and llama.cpp add, about a model made of a table."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from neurogloss_openai.configs import OpenAIConfig
from neurogloss_openai.model import OpenAIModel

KEY = "canary-5f3a9c81d2e7"
TABLE = {"cat =>": {"3": 0.5, "0": 0.25, "unknown": 0.125, "9": 0.0625}}
"""What follows some lines. What follows the others is drawn from a hash of the line."""
_WORDS = re.compile(r"<\|?\w+\|?>|10|\d| ?=>| ?[A-Za-z]+|[\x00-\x7f]|[^\x00-\x7f]")
_DRAWN = (*"0123456789", "unknown", "10", "\n", "x")


@dataclass
class Wire:
    """How the server behaves; tests change it."""

    model: str = "tiny"
    key: str | None = KEY
    echo: str = "yes"
    """`yes`; `refused` with status 400; `ignored`; `bare`, which tells tokens without log-probabilities."""
    style: str = "legacy"
    """Of log-probabilities in completions: `legacy`, or `content` as llama.cpp writes them."""
    tokenizer: str = ""
    """Which /tokenize there is: none, `vllm` or `llama`."""
    abilities: set[str] = field(default_factory=lambda: {"seed", "n", "schema", "prefill", "chat_logprobs", "usage"})
    begins: str = ""
    """A mark that the tokenizer puts before every text."""
    two_readings: bool = False
    """Whether another token, less likely, reads like each digit does."""
    context: int = 4000
    faults: list[Any] = field(default_factory=list)
    """What becomes of the next requests: `None`, a name, or (status, headers, body)."""
    seen: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    address: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    more: Callable[[str, str, Any], Any] | None = None
    """Answers what the server itself does not, from method, path and body: JSON, bytes, or `None`."""
    answer: Callable[[str, dict[str, Any]], Any] = lambda path, body: None
    """The server's own reply to a request."""
    clients: list[OpenAIModel] = field(default_factory=list)
    """Kept until the event loop ends, which closes their connections."""

    def count(self, path: str) -> int:
        """How many requests came to a path."""
        return sum(seen == path for seen, _ in self.seen)

    def config(self, **options: Any) -> OpenAIConfig:
        """What a client of this server is configured with."""
        base = {"model": self.model, "base_url": f"{self.address}/v1", "api_key_env": "TINY_KEY", "timeout_s": 20.0}
        return OpenAIConfig(**{**base, **options})

    def client(self, **options: Any) -> OpenAIModel:
        """A client of this server."""
        config = self.config(**options)
        config.check()
        self.clients.append(OpenAIModel(config))
        return self.clients[-1]


def tokens_of(text: str) -> list[bytes]:
    """Words, digits and signs; of what is not ASCII each byte."""
    found: list[bytes] = []
    for word in _WORDS.findall(text):
        raw = word.encode()
        found += [raw] if word.isascii() else [bytes([byte]) for byte in raw]
    return found


def token_id(token: str) -> int:
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:3], "big")


def next_probabilities(text: str) -> dict[str, float]:
    """What follows a text: it depends on its last line."""
    line = text.rsplit("\n", 1)[-1]
    if line in TABLE:
        return TABLE[line]
    weights = {token: 1 + hashlib.sha256(f"{line} {token}".encode()).digest()[0] for token in _DRAWN}
    return {token: weight / sum(weights.values()) for token, weight in weights.items()}


def own_logprob(before: bytes, token: bytes) -> float:
    """The log-probability of a prompt's own token: drawn from a hash of what it is and of what precedes it."""
    return -1 - hashlib.sha256(before + b"|" + token).digest()[0] / 64


def rendered(messages: list[dict[str, str]]) -> str:
    """The chat template."""
    return "".join(f"<|{m['role']}|>{m['content']}<|end|>" for m in messages) + "<|assistant|>"


class _Error(Exception):
    def __init__(self, status: int, message: str, code: str | None = None, kind: str = "invalid_request_error") -> None:
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": None, "code": code}}


class _Answers:
    """The bodies of the replies."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.calls = 0

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        self.calls += 1
        if path == "/v1/models":
            return {"object": "list", "data": [{"id": self.wire.model, "object": "model"}]}
        if body.get("model") != self.wire.model:
            raise _Error(404, f"The model `{body.get('model')}` does not exist", "model_not_found")
        answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "/v1/completions": self.completions,
            "/v1/chat/completions": self.chat,
            "/v1/responses": self.responses,
        }
        if self.wire.tokenizer:
            answers |= {"/tokenize": self.tokenize}
            answers |= {"/detokenize": self.detokenize} if self.wire.tokenizer == "vllm" else {}
            answers |= {"/apply-template": self.apply_template} if self.wire.tokenizer == "llama" else {}
        if path not in answers:
            raise _Error(404, "Not Found")
        return answers[path](body)

    def chat(self, body: dict[str, Any]) -> Any:
        messages = body["messages"]
        self._fit("".join(message["content"] for message in messages))
        prompt, continued = messages[-1]["content"], messages[-1]["role"] == "assistant"
        if continued and "prefill" in self.wire.abilities and prompt.endswith("Par"):
            choices = [{"index": 0, "message": {"role": "assistant", "content": "is."}, "finish_reason": "stop"}]
            return self._reply(prompt, choices, 2)
        texts = [self._text(prompt, body, i) for i in range(self._n(body))]
        choices = [
            {"index": i, "message": {"role": "assistant", "content": text, "refusal": None}, "finish_reason": finish}
            for i, (text, finish) in enumerate(texts)
        ]
        if body.get("logprobs") and "chat_logprobs" in self.wire.abilities:
            choices[0]["logprobs"] = {
                "content": [self._place(prompt, body["top_logprobs"], ids=False)],
                "refusal": None,
            }
        return self._reply(rendered(messages), choices, sum(len(text.split()) for text, _ in texts))

    def responses(self, body: dict[str, Any]) -> Any:
        prompt = body["input"][-1]["content"]
        limits = {"max_tokens": body["max_output_tokens"], "response_format": body.get("text", {}).get("format")}
        text, finish = self._text(prompt, {**body, **limits}, 0)
        content = [{"type": "output_text", "text": text, "annotations": []}]
        output = [{"type": "reasoning", "summary": []}, {"type": "message", "role": "assistant", "content": content}]
        usage = {"input_tokens": len(tokens_of(prompt)), "input_tokens_details": {"cached_tokens": 0}}
        status = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        return {
            **({"status": "completed"} if finish == "stop" else status),
            "output": output,
            "usage": {**usage, "output_tokens": len(text.split())},
        }

    def completions(self, body: dict[str, Any]) -> Any:
        prompt, top = body["prompt"], body.get("logprobs")
        self._fit(prompt)
        if body.get("echo") and self.wire.echo == "refused":
            raise _Error(400, "Only no echo is supported")
        texts = [self._text(prompt, body, i) for i in range(self._n(body))]
        choices: list[dict[str, Any]] = [
            {"index": i, "text": text, "finish_reason": finish, "logprobs": None}
            for i, (text, finish) in enumerate(texts)
        ]
        if top is not None:
            if body.get("echo") and self.wire.echo in ("yes", "bare"):
                choices[0] |= self._echo(prompt, top, special=body.get("add_special_tokens", True))
            elif self.wire.style == "content":
                choices[0]["logprobs"] = {"content": [self._place(prompt, top, ids=True)]}
            else:
                listed = self._top(prompt, top)
                if body.get("return_tokens_as_token_ids"):
                    listed = {f"token_id:{number}": value for number, value in self._top_ids(prompt, top).items()}
                choices[0]["logprobs"] = {"tokens": [next(iter(listed))], "text_offset": [0], "top_logprobs": [listed]}
        return self._reply(prompt, choices, 1)

    def tokenize(self, body: dict[str, Any]) -> Any:
        if self.wire.tokenizer == "llama":
            return {"tokens": [token_id(token.hex()) for token in tokens_of(body.get("content", ""))]}
        text = rendered(body["messages"]) if "messages" in body else body["prompt"]
        self.known = {**getattr(self, "known", {}), **{token_id(token.hex()): token for token in tokens_of(text)}}
        ids = [token_id(token.hex()) for token in tokens_of(text)]
        return {"tokens": ids, "count": len(ids), "max_model_len": self.wire.context}

    def detokenize(self, body: dict[str, Any]) -> Any:
        return {"prompt": b"".join(self.known[number] for number in body["tokens"]).decode()}

    def apply_template(self, body: dict[str, Any]) -> Any:
        return {"prompt": rendered(body["messages"])}

    def _echo(self, prompt: str, top: int, *, special: bool) -> dict[str, Any]:
        tokens = tokens_of(prompt)
        marks = [self.wire.begins] if self.wire.begins and special else []
        texts = [*marks, *(token.decode(errors="replace") for token in tokens)]
        befores = [b"".join(tokens[:index]) for index in range(len(tokens))]
        tops: list[Any] = [None] * len(marks)
        tops += [self._top(before.decode(errors="replace"), top) if before or marks else None for before in befores]
        texts.append(next(iter(self._top(prompt, top))))
        tops.append(self._top(prompt, top))
        offsets = [sum(map(len, texts[:index])) for index in range(len(texts))]
        own: list[Any] = [None] * len(marks)
        for before, token in zip(befores, tokens, strict=True):
            own.append(own_logprob(before, token) if before or marks else None)
        own.append(-1.5)
        listed = {"tokens": texts, "text_offset": offsets, "token_logprobs": own, "top_logprobs": tops}
        if self.wire.echo == "bare":
            return {"logprobs": {**listed, "top_logprobs": [None] * len(texts), "token_logprobs": None}}
        if self.wire.tokenizer != "vllm":
            return {"logprobs": listed}
        ids: list[dict[int, float] | None] = [None] * len(marks)
        ids += [self._top_ids(before.decode(errors="replace"), top) if before or marks else None for before in befores]
        told = [None if at is None else {str(n): {"logprob": v, "rank": 1} for n, v in at.items()} for at in ids]
        return {"logprobs": listed, "prompt_logprobs": told}

    def _top(self, text: str, top: int) -> dict[str, float]:
        found = {token: math.log(p) for token, p in next_probabilities(text).items()}
        listed = dict(sorted(found.items(), key=lambda item: -item[1])[:top])
        # As with a dictionary filled in order: the less likely token that reads the same comes later and stays.
        return {token: -30.0 if self.wire.two_readings and token.isdigit() else v for token, v in listed.items()}

    def _top_ids(self, text: str, top: int) -> dict[int, float]:
        listed = sorted(next_probabilities(text).items(), key=lambda item: -item[1])[:top]
        return {token_id(token.encode().hex()): math.log(p) for token, p in listed}

    def _place(self, text: str, top: int, *, ids: bool) -> dict[str, Any]:
        entries: list[dict[str, Any]] = [{"token": token, "logprob": v} for token, v in self._top(text, top).items()]
        if ids:
            for entry, (number, value) in zip(entries, self._top_ids(text, top).items(), strict=True):
                entry |= {"id": number, "logprob": value}
        return {**entries[0], "top_logprobs": entries}

    def _text(self, prompt: str, body: dict[str, Any], sample: int) -> tuple[str, str]:
        wanted = body.get("response_format")
        if wanted is not None and "schema" in self.wire.abilities:
            schema = wanted.get("json_schema", wanted)["schema"]
            return json.dumps({name: part["enum"][0] for name, part in schema["properties"].items()}), "stop"
        seed = body.get("seed") if "seed" in self.wire.abilities else self.calls
        drawn = hashlib.sha256(f"{prompt} {seed} {sample} {body.get('temperature')}".encode()).hexdigest()
        words = [f"w{drawn[i : i + 3]}" for i in range(0, 36, 3)]
        limit = body.get("max_completion_tokens", body.get("max_tokens", 100))
        text, finish = " ".join(words[:limit]), "length" if limit < len(words) else "stop"
        for stop in body.get("stop", []):
            text, finish = (text[: text.index(stop)], "stop") if stop in text else (text, finish)
        return text, finish

    def _n(self, body: dict[str, Any]) -> int:
        return body.get("n", 1) if "n" in self.wire.abilities else 1

    def _fit(self, prompt: str) -> None:
        n = len(tokens_of(prompt))
        if n > self.wire.context:
            said = f"This model's maximum context length is {self.wire.context} tokens. You requested {n}."
            raise _Error(400, said, "context_length_exceeded")

    def _reply(self, prompt: str, choices: list[dict[str, Any]], written: int) -> Any:
        usage: dict[str, Any] = {"prompt_tokens": len(tokens_of(prompt)), "completion_tokens": written}
        usage |= {"prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2}}
        return {"id": "1", "choices": choices, **({"usage": usage} if "usage" in self.wire.abilities else {})}


def _handler(wire: Wire) -> type[BaseHTTPRequestHandler]:
    answers, lock = _Answers(wire), threading.Lock()
    wire.answer = answers.answer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            body = raw if self.headers.get_content_maintype() == "multipart" else json.loads(raw or b"{}")
            with lock:
                wire.seen.append((self.path, body))
                wire.headers.append({name.lower(): value for name, value in self.headers.items()})
                fault = wire.faults.pop(0) if wire.faults else None
                if fault is None:
                    status, headers, reply = self._answered(body)
            if fault == "hang":
                wire.released.wait(30)
                self.close_connection = True
            elif fault == "trickle":
                self._trickle()
            elif fault in ("drop", "truncate"):
                self._send(200, {}, b'{"choices": [{"text": "a', missing=100 if fault == "drop" else 0)
            elif fault is not None:
                status, headers, reply = fault
                self._send(status, headers, reply if isinstance(reply, bytes) else json.dumps(reply).encode())
            else:
                self._send(status, headers, reply if isinstance(reply, bytes) else json.dumps(reply).encode())

        def _answered(self, body: Any) -> tuple[int, dict[str, str], Any]:
            given = self.headers.get("authorization", self.headers.get("api-key", ""))
            if wire.key is not None and given.removeprefix("Bearer ") != wire.key:
                return 401, {}, _Error(401, f"Incorrect API key provided: {given}", "invalid_api_key").body
            more = wire.more(self.command, self.path, body) if wire.more else None
            if more is not None:
                return 200, {}, more
            try:
                return 200, {}, answers.answer(self.path.partition("?")[0], body if isinstance(body, dict) else {})
            except _Error as error:
                return error.status, {}, error.body

        def _send(self, status: int, headers: dict[str, str], content: bytes, missing: int = 0) -> None:
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content) + missing))
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = self.close_connection or bool(missing)

        def _trickle(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "100000")
            self.end_headers()
            try:
                while not wire.released.wait(0.02):
                    self.wfile.write(b" ")
            except OSError:  # the client has given up
                self.close_connection = True

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


# Reading the system's certificates takes a tenth of a second, for each event loop that a test begins.
_certificates = functools.cache(ssl.create_default_context)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A server that runs; its key is in the environment as TINY_KEY."""
    monkeypatch.setattr(ssl, "create_default_context", _certificates)
    monkeypatch.setenv("TINY_KEY", KEY)
    wire = Wire()
    server = _Server(("127.0.0.1", 0), _handler(wire))
    wire.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield wire
    wire.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def expected() -> Callable[..., list[list[float]]]:
    """The log-probabilities of choices after each of some texts, from the table."""

    def logprobs(befores: list[str], choices: tuple[str, ...]) -> list[list[float]]:
        rows = [next_probabilities(before) for before in befores]
        return [[math.log(row[choice]) if choice in row else -math.inf for choice in choices] for row in rows]

    return logprobs
