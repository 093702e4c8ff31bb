"""A reply of the Messages API, read with suspicion."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from neurogloss.errors import TransientError
from neurogloss.records.requests import Completion, Usage

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


def completion_of(body: Any, stops: Sequence[str]) -> Completion:
    """The text of a reply: what it says, or what it calls a tool with; what it thinks is left out.

    Args:
        body: The decoded body.
        stops: What ends the text and was not sent, because the API takes no white space as a stop.

    Raises:
        TransientError: The body is not what the API documents, or nothing was said for no reason.
    """
    if not isinstance(body, Mapping):
        _malformed("it is no object")
    reason = body.get("stop_reason")
    if not isinstance(reason, str) or reason not in _FINISH_REASONS:
        _malformed("its stop_reason is none that is known")
    content = body.get("content")
    if not isinstance(content, list):
        _malformed("its content is no list")
    finish = _FINISH_REASONS[reason]
    texts = [text for text in map(_text, content) if text is not None]
    if not texts and finish == "stop":
        _malformed("it holds no text")
    text = "".join(texts)
    ends = [place for place in map(text.find, stops) if place >= 0]
    return Completion(text[: min(ends)], "stop") if ends else Completion(text, finish)


def usage_of(body: Mapping[str, Any]) -> Usage:
    """What a reply says it took.

    `prompt_tokens` are all tokens of the prompt: those the API counts as input, those read from the
    cache and those written to it. Source: the API's definition of its usage.

    Raises:
        TransientError: The counts are no counts.
    """
    if not isinstance(body, Mapping):
        _malformed("it is no object")
    usage = body.get("usage")
    if usage is None:
        return Usage()
    if not isinstance(usage, Mapping):
        _malformed("its usage is no object")
    new, read, written, said = (
        _count(usage, name)
        for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    )
    return Usage(
        prompt_tokens=None if new is None else new + (read or 0) + (written or 0),
        cached_prompt_tokens=read,
        completion_tokens=said,
        cache_write_prompt_tokens=written,
    )


def tokens_counted(body: Any) -> int:
    """The answer to a question for the number of tokens.

    Raises:
        TransientError: It is none.
    """
    count = _count(body, "input_tokens") if isinstance(body, Mapping) else None
    if count is None:
        _malformed("it counts no input_tokens")
    return count


def total(usages: Iterable[Usage]) -> Usage:
    """The sum of usages; what one of them does not tell, the sum does not."""
    several = list(usages)

    def summed(field: str) -> int | None:
        counts = [getattr(usage, field) for usage in several]
        return None if None in counts else sum(counts)

    return Usage(**{field: summed(field) for field in Usage.__dataclass_fields__})


def _text(block: Any) -> str | None:
    """What a block says; `None` for thinking and for blocks of kinds yet unknown."""
    if not isinstance(block, Mapping):
        _malformed("a block of its content is no object")
    if block.get("type") == "tool_use":
        return json.dumps(block.get("input"), ensure_ascii=False)
    if block.get("type") != "text":
        return None
    text = block.get("text")
    if not isinstance(text, str):
        _malformed("a block's text is none")
    return text


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    count = counts.get(name)
    if count is None:
        return None
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        _malformed(f"its {name} is no count")
    return count


def _malformed(why: str) -> NoReturn:
    raise TransientError(f"malformed reply: {why}")
