"""The client's errors as neurogloss's, without a key in them."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import openai

from neurogloss.errors import LanguageModelError, PermanentError, TransientError
from neurogloss_openai.configs import OpenAIConfig

_PASSING = frozenset({408, 409, 429})
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Codes of status 429 that no waiting changes."""
_FILTERED = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|(maximum|available) (context|model) (length|size)|context length"
    r"|max_model_len|maximum model length",
    re.IGNORECASE,
)
_LONGEST_QUOTE = 300


class Refused(PermanentError):
    """The server's filter refused the prompt; where text was asked for, that is a reply."""


class Unknown(PermanentError):
    """The server does not know what was asked for: the model, the endpoint, a file or a batch."""


@dataclass(frozen=True)
class Secrets:
    """What never stands in a message."""

    values: tuple[str, ...] = field(repr=False)

    def without(self, text: str) -> str:
        """The text with stars in place of secrets, and no longer than a quotation may be."""
        for value in self.values:
            if len(value) > len("none"):
                text = text.replace(value, "***")
        text = re.sub(r"\b(sk|Bearer)[-\s][\w*.-]{8,}", r"\1-***", " ".join(text.split()))
        return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."


def mapped(error: openai.OpenAIError, config: OpenAIConfig, secrets: Secrets) -> LanguageModelError:
    """The same failure as a `TransientError`, or as a `PermanentError` with what to set.

    What can pass: time-outs, lost connections, statuses 408, 409, 429 and from 500 on.
    """
    model = config.model
    cause = type(error.__cause__).__name__ if error.__cause__ is not None else "unknown"
    # A refused connection comes as a ConnectTimeout, too.
    if isinstance(error, openai.APITimeoutError) and cause != "ConnectTimeout":
        return TransientError(f"{model} did not answer in {config.timeout_s:g} s.")
    if isinstance(error, openai.APIConnectionError):
        return TransientError(f"The connection to the server of {model} failed ({cause}).")
    if not isinstance(error, openai.APIStatusError):
        return TransientError(f"malformed reply: {type(error).__name__}.")
    said = secrets.without(error.message)
    return of_status(error.status_code, _code(error), said, config, _retry_after(error.response.headers))


def of_status(
    status: int, code: str, said: str, config: OpenAIConfig, retry_after: float | None = None
) -> LanguageModelError:
    """The failure that a status tells, as `mapped`.

    Args:
        status: Of the reply.
        code: The error's own.
        said: Its message, without secrets.
        config: How the model was asked.
        retry_after: How long the server asks to wait, in seconds.
    """
    model = config.model
    wrong = f"The server of {model} answered with status {status}."
    if code in _FILTERED:
        return Refused(f"The server's content filter refused a request to {model}.")
    if code in _SPENT:
        return PermanentError(f"The account has no credit left for {model}.", known=f"The server's code is {code}.")
    if status in _PASSING or status >= 500:
        return TransientError(wrong, known=said, retry_after=retry_after, rate_limited=status == 429)
    match status:
        case 401 | 403:
            # What the server says is left out: it may quote the key.
            return PermanentError(
                f"The server refused the key for {model} (status {status}).", remedy=_about_key(config)
            )
        case 404:
            return Unknown(
                f"The server knows no model {model!r}, or not this way of asking (status 404).",
                known=said,
                remedy="Check llm.model, llm.base_url and llm.endpoint; `neurogloss doctor` lists the server's models.",
            )
    if _TOO_LONG.search(f"{code} {said}"):
        return PermanentError(
            f"The request is too long for the context of {model}.",
            known=said,
            remedy="Show fewer or shorter records, or choose a model with a longer context.",
        )
    return PermanentError(wrong, known=said, remedy=_about_field(config, said))


def _code(error: openai.APIStatusError) -> str:
    inner = error.body.get("innererror") if isinstance(error.body, Mapping) else None
    codes = [error.code, inner.get("code") if isinstance(inner, Mapping) else None]
    known = [code for code in codes if isinstance(code, str)]
    return next((code for code in known if code in _FILTERED), known[0] if known else str(error.type or ""))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after`, which is in seconds or a date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    try:
        return max(0.0, email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, TypeError):
        return None


def _about_key(config: OpenAIConfig) -> str:
    if config.api_key_env is None:
        return "Set api_key_env to the environment variable that holds the server's key."
    return f"Put a valid key for this server and model into {config.api_key_env}."


def _about_field(config: OpenAIConfig, said: str) -> str:
    """Which option keeps a refused field away, where the server names one."""
    remedies = {
        "temperature": "omit=[temperature]",
        "stop": "omit=[stop]",
        "max_completion_tokens": "token_limit_field=max_tokens",
        "max_tokens": "token_limit_field=max_completion_tokens",
        "reasoning_effort": "reasoning_effort=null",
        "response_format": "provides without json_schema",
        "seed": "provides without seed",
        "top_logprobs": "a smaller top_logprobs, or provides without choice_logprobs",
        "logprobs": "a smaller top_logprobs, or provides without choice_logprobs",
    }
    named = [option for name, option in remedies.items() if re.search(rf"\b{name}\b", said)]
    return f"If the server does not take this field, set {named[0]}." if named else ""
