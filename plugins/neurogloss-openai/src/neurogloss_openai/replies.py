"""Reading replies: JSON from a server that may send anything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from neurogloss.errors import PermanentError, TransientError
from neurogloss.records.requests import Completion, Usage
from neurogloss_openai.clients import Body
from neurogloss_openai.configs import Endpoint

_ID = "token_id:"
"""How vLLM writes a token when it is asked for ids."""


@dataclass(frozen=True)
class TopTokens:
    """The most likely tokens at one place, with their natural log-probabilities."""

    by_text: Mapping[str, float] = field(default_factory=dict)
    by_id: Mapping[int, float] = field(default_factory=dict)
    """Two tokens may read the same; their ids never are."""

    def row(self, tokens: Mapping[str, int | None]) -> list[float]:
        """Those of some tokens, given with their ids: by these where they and the list's are known.

        Minus infinity for one that is not listed.
        """
        if not self.by_id:
            return [self.by_text.get(text, -math.inf) for text in tokens]
        return [
            self.by_text.get(text, -math.inf) if token_id is None else self.by_id.get(token_id, -math.inf)
            for text, token_id in tokens.items()
        ]


@dataclass(frozen=True)
class EchoedText:
    """A prompt's tokens as the server reads them, and what it expected at each."""

    tokens: Sequence[str]
    _tops: Sequence[Any]
    _by_id: Sequence[Any]
    _own: Sequence[Any]

    def top(self, index: int) -> TopTokens:
        """What was expected at one token. Read when asked for: of most tokens of a prompt nobody wants to know.

        Raises:
            TransientError: The reply is malformed.
        """
        # vLLM tells the ids too, in a field of its own, and there without the generated token.
        return _both(self._tops[index], self._by_id[index] if index < len(self._by_id) else None)

    def own(self, index: int) -> float | None:
        """The log-probability of one token itself; `None` where the server does not tell, as at the first.

        Raises:
            TransientError: The reply is malformed.
        """
        return None if self._own[index] is None else _logprob(self._own[index])


def completions_of(endpoint: Endpoint, reply: Body) -> tuple[Completion, ...]:
    """The generated texts.

    Raises:
        TransientError: The reply is malformed, or the server failed on the way.
    """
    if endpoint is Endpoint.RESPONSES:
        return (_response(reply),)
    read = _chat_choice if endpoint is Endpoint.CHAT else _text_choice
    return tuple(read(choice) for choice in _choices(reply))


def usage_of(reply: Body) -> Usage:
    """The tokens of a call, as far as the server tells them."""
    usage = reply.get("usage")
    if not isinstance(usage, Mapping):
        return Usage()
    prompt = _count(usage, "prompt_tokens", "input_tokens")
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    details = details if isinstance(details, Mapping) else {}
    cached, written = _count(details, "cached_tokens"), _count(details, "cache_write_tokens")
    if cached is not None and prompt is not None:
        cached = min(cached, prompt)
    return Usage(prompt, cached, _count(usage, "completion_tokens", "output_tokens"), written)


def total_usage(usages: Iterable[Usage]) -> Usage:
    """The sum of the calls of one request; what no call tells stays unknown."""

    def total(name: str) -> int | None:
        told = [count for usage in counted if (count := getattr(usage, name)) is not None]
        return sum(told) if told else None

    counted = list(usages)
    names = ("prompt_tokens", "cached_prompt_tokens", "completion_tokens", "cache_write_prompt_tokens")
    return Usage(**{name: total(name) for name in names})


def next_tokens(reply: Body) -> TopTokens:
    """What may come next, from a reply of one token; empty if the model ended its text there.

    Raises:
        PermanentError: The server tells no log-probabilities.
        TransientError: The reply is malformed.
    """
    choice = _choices(reply)[0]
    message = choice.get("message")
    refusal = message.get("refusal") if isinstance(message, Mapping) else None
    if refusal or choice.get("finish_reason") == "content_filter":
        raise PermanentError("The model or the server's content filter refused the text.")
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, Mapping):
        raise PermanentError(
            "The server tells no log-probabilities.",
            remedy="Take choice_logprobs out of provides, or choose another model or choice_method; "
            "`neurogloss doctor` says what works.",
        )
    if "content" in logprobs:
        places = _list(logprobs["content"] or [], "logprobs.content")
        return _listed(places[0]) if places else TopTokens()
    places = _list(logprobs.get("top_logprobs") or [], "logprobs.top_logprobs")
    return _mapped(places[0]) if places else TopTokens()


def echoed_text(reply: Body) -> EchoedText | None:
    """The prompt's tokens with what was expected at each; `None` if the reply tells nothing of them.

    Raises:
        TransientError: The reply is malformed.
    """
    choice = _choices(reply)[0]
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, Mapping) or "tokens" not in logprobs:
        return None
    tokens = _list(logprobs["tokens"], "logprobs.tokens")
    if not all(isinstance(token, str) for token in tokens):
        _malformed("logprobs.tokens holds something else than texts")
    tops = _list(logprobs.get("top_logprobs") or [None] * len(tokens), "logprobs.top_logprobs")
    if len(tops) != len(tokens):
        _malformed("there are not as many logprobs.top_logprobs as logprobs.tokens")
    own = _list(logprobs.get("token_logprobs") or [None] * len(tokens), "logprobs.token_logprobs")
    if len(own) != len(tokens):
        _malformed("there are not as many logprobs.token_logprobs as logprobs.tokens")
    return EchoedText(tokens, tops, _list(choice.get("prompt_logprobs") or [], "prompt_logprobs"), own)


def _both(top: Any, ids: Any) -> TopTokens:
    if not isinstance(ids or {}, Mapping):
        _malformed("prompt_logprobs holds something else than objects")
    by_id = {
        int(token_id): _logprob(entry.get("logprob") if isinstance(entry, Mapping) else entry)
        for token_id, entry in (ids or {}).items()
        if str(token_id).isdecimal()
    }
    listed = _mapped(top)
    return TopTokens(listed.by_text, by_id or listed.by_id)


def _mapped(top: Any) -> TopTokens:
    """From `{token: log-probability}`."""
    if top is None:
        return TopTokens()
    if not isinstance(top, Mapping):
        _malformed("logprobs.top_logprobs holds something else than objects")
    by_text = _logprobs(top)
    if not next(iter(by_text), "").startswith(_ID):
        return TopTokens(by_text)
    ids = {token: _written_id(token) for token in by_text}
    return TopTokens(by_text, {token_id: by_text[token] for token, token_id in ids.items() if token_id is not None})


def _listed(place: Any) -> TopTokens:
    """From `{top_logprobs: [{token, logprob, id?}]}`, the most likely first."""
    if not isinstance(place, Mapping):
        _malformed("logprobs.content holds something else than objects")
    by_text: dict[str, float] = {}
    by_id: dict[int, float] = {}
    for entry in _list(place.get("top_logprobs") or [], "top_logprobs"):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("token"), str):
            _malformed("a token of top_logprobs is no text")
        value = _logprob(entry.get("logprob"))
        by_text.setdefault(entry["token"], value)
        token_id = entry.get("id", _written_id(entry["token"]))
        if isinstance(token_id, int):
            by_id.setdefault(token_id, value)
    return TopTokens(by_text, by_id)


def _written_id(token: str) -> int | None:
    number = token.removeprefix(_ID)
    return int(number) if number != token and number.isdecimal() else None


def _chat_choice(choice: Mapping[str, Any]) -> Completion:
    message = choice.get("message")
    if not isinstance(message, Mapping):
        _malformed("a choice has no message")
    if message.get("refusal"):
        return Completion(str(message["refusal"]), "refusal")
    return Completion(_text(message.get("content")), _finish(choice.get("finish_reason")))


def _text_choice(choice: Mapping[str, Any]) -> Completion:
    return Completion(_text(choice.get("text")), _finish(choice.get("finish_reason")))


def _response(reply: Body) -> Completion:
    status = reply.get("status")
    if status == "failed":
        error = reply.get("error")
        code = error.get("code") if isinstance(error, Mapping) else "unknown"
        kind = TransientError if code in ("server_error", "rate_limit_exceeded", "unknown") else PermanentError
        raise kind(f"The server failed while it answered (code {code}).")
    parts = [
        part
        for item in _list(reply.get("output"), "output")
        if isinstance(item, Mapping) and item.get("type") == "message"
        for part in _list(item.get("content"), "output.content")
        if isinstance(part, Mapping)
    ]
    refusals = [str(part.get("refusal")) for part in parts if part.get("type") == "refusal"]
    if refusals:
        return Completion("".join(refusals), "refusal")
    text = "".join(_text(part.get("text")) for part in parts if part.get("type") == "output_text")
    if status == "incomplete":
        details = reply.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, Mapping) else None
        return Completion(text, "refusal" if reason == "content_filter" else "length")
    if not parts:
        _malformed("there is no message in its output")
    return Completion(text)


def _choices(reply: Body) -> Sequence[Mapping[str, Any]]:
    choices = _list(reply.get("choices"), "choices")
    if not choices:
        _malformed("it has no choices")
    if not all(isinstance(choice, Mapping) for choice in choices):
        _malformed("a choice is no object")
    return choices


def _finish(reason: Any) -> str:
    return {"length": "length", "content_filter": "refusal"}.get(str(reason), "stop")


def _text(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        _malformed(f"a text is a {type(value).__name__}")
    return value or ""


def _list(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, list):
        _malformed(f"{name} is a {type(value).__name__}, no list")
    return value


def _logprobs(told: Mapping[str, Any]) -> Mapping[str, float]:
    values = told.values()
    if set(map(type, values)) == {float} and max(values) <= 0 and not math.isnan(sum(values)):  # nearly always
        return told
    return {token: _logprob(value) for token, value in told.items()}


def _logprob(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        _malformed("a log-probability is no number")
    return min(float(value), 0.0)


def _count(usage: Mapping[str, Any], *names: str) -> int | None:
    return next((usage[name] for name in names if isinstance(usage.get(name), int) and usage[name] >= 0), None)


def _malformed(what: str) -> NoReturn:
    raise TransientError(f"malformed reply: {what}.")
