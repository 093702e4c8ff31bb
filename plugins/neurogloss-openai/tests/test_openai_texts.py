"""How likely a text is, against the numbers that the server's model is made of."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from neurogloss.errors import PermanentError, TransientError
from neurogloss.records.requests import TextRequest

ALL = ["generate", "text_logprobs"]
CONTEXT = "Units and \N{PARTY POPPER}.\n"
TEXT = "cat caf\u00e9 10\n\u4e2d\u6587 x"
# As the server's tokenizer splits them: words with their space, digits or "10", and each byte of what is not ASCII.
TOKENS = [b"cat", b" caf", b"\xc3", b"\xa9", b" ", b"10", b"\n", *(bytes([b]) for b in "\u4e2d\u6587".encode()), b" x"]


def logprob(context: str, tokens: list[bytes]) -> float:
    befores = [context.encode() + b"".join(tokens[:i]) for i in range(len(tokens))]
    drawn = [hashlib.sha256(before + b"|" + t).digest()[0] for before, t in zip(befores, tokens, strict=True)]
    return sum(-1 - byte / 64 for byte in drawn)


@pytest.mark.parametrize(("tokenizer", "begins"), [("", ""), ("vllm", "<s>")])
async def test_it_is_the_sum_over_the_texts_tokens(wire: Any, tokenizer: str, begins: str) -> None:
    wire.tokenizer, wire.begins = tokenizer, begins
    reply = await wire.client(provides=ALL).text_logprobs(TextRequest(CONTEXT, TEXT))
    assert reply.logprob == pytest.approx(logprob(CONTEXT, TOKENS))
    assert reply.n_tokens == len(TOKENS)
    assert wire.count("/v1/completions") == 1
    assert reply.usage.completion_tokens == 1


@pytest.mark.parametrize(("echo", "known"), [("refused", "no echo"), ("ignored", "did not"), ("bare", "tells no log")])
async def test_a_server_that_does_not_tell(wire: Any, echo: str, known: str) -> None:
    wire.echo = echo
    with pytest.raises(PermanentError, match=known):
        await wire.client(provides=ALL).text_logprobs(TextRequest(CONTEXT, TEXT))


@pytest.mark.parametrize(("context", "text"), [("Two wor", "ds"), ("", "cat"), ("cat\n", "")])
async def test_a_text_that_begins_within_a_token_or_nowhere_is_refused(wire: Any, context: str, text: str) -> None:
    with pytest.raises(PermanentError, match="No token starts where the text starts"):
        await wire.client(provides=ALL).text_logprobs(TextRequest(context, text))


async def test_what_can_pass_is_transient(wire: Any) -> None:
    wire.faults = [(500, {}, {})] * 20
    with pytest.raises(TransientError):
        await wire.client(provides=ALL).text_logprobs(TextRequest(CONTEXT, TEXT))


async def test_it_must_be_declared(wire: Any) -> None:
    client = wire.client()
    assert "text_logprobs" not in client.capabilities
    with pytest.raises(PermanentError, match="declared not to provide text_logprobs"):
        await client.text_logprobs(TextRequest(CONTEXT, TEXT))
