"""A language model without a model: its replies depend on the request alone."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurogloss.builtin.llms.configs import ScriptedConfig
from neurogloss.errors import ConfigError, PermanentError, TransientError
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, JSON_SCHEMA, LanguageModel
from neurogloss.interfaces.text_logprobs import TEXT_LOGPROBS, TextLogprobs
from neurogloss.interfaces.token_counting import TokenCounting
from neurogloss.records.codec import encode
from neurogloss.records.requests import (
    ChoiceReply,
    ChoiceRequest,
    Completion,
    GenerateReply,
    GenerateRequest,
    Request,
    TextReply,
    TextRequest,
    Usage,
)

_WORD = re.compile(r"[^\W\d_]{3,}")


class ScriptedModel(LanguageModel, TextLogprobs, TokenCounting):
    """Answers from a file of rules, or else from a SHA-256 of the request.

    It costs nothing and repeats itself exactly, on any machine: for trying out, and for tests. A
    text is a few words of the last message, or, where a JSON schema is asked for, an instance of it.
    A choice is likely or not by the hash of all the text up to its slot. Tokens are counted as words.
    """

    def __init__(self, config: ScriptedConfig) -> None:
        self._config = config
        self._rules, self._rules_hash = _rules(config.replies)
        self._calls: Counter[str] = Counter()

    @property
    def capabilities(self) -> frozenset[str]:
        if self._config.provides is not None:
            return frozenset(self._config.provides)
        return frozenset({GENERATE, CHOICE_LOGPROBS, JSON_SCHEMA, TEXT_LOGPROBS})

    def identity(self) -> Mapping[str, str]:
        told = ("ten_is_a_token", "fail_share", "transient_share", "refuse_share", "unparsable_share")
        values = {name: str(getattr(self._config, name)) for name in told}
        return {"provider": "scripted", "replies": self._rules_hash, **values}

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        self._demand(GENERATE)
        fate = self._fate(request)
        completions = tuple(self._completion(request, sample, fate) for sample in range(request.n))
        written = sum(len(completion.text.split()) for completion in completions)
        return GenerateReply(completions, Usage(await self.count_tokens(request), 0, written))

    async def count_tokens(self, request: Request) -> int:
        """The words of the messages and, of a text with slots, of its pieces; or of the context and the text."""
        if isinstance(request, TextRequest):
            return len(request.context.split()) + len(request.text.split())
        pieces = () if isinstance(request, GenerateRequest) else request.pieces
        return sum(len(text.split()) for text in (*(message.content for message in request.messages), *pieces))

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(choice for choice in choices if choice != "10" or self._config.ten_is_a_token)

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        self._demand(CHOICE_LOGPROBS)
        if "10" in request.choices and not self._config.ten_is_a_token:
            raise PermanentError("The choice '10' is no single token of the scripted model (ten_is_a_token is false).")
        fate = self._fate(request)
        logprobs = np.full((len(request.pieces) - 1, len(request.choices)), -np.inf)
        # Numbers in their order, and the same reply in whatever order the choices are listed.
        order = sorted(range(len(request.choices)), key=lambda i: (len(request.choices[i]), request.choices[i]))
        if fate != "unparsable":
            text = hashlib.sha256(encode(request.messages).encode("utf-8"))
            for slot, piece in enumerate(request.pieces[:-1]):
                text.update(piece.encode("utf-8"))
                logprobs[slot, order] = _peaked(text.digest(), len(order))
                filled = request.choices[int(logprobs[slot].argmax())] if request.fill is None else request.fill
                text.update(filled.encode("utf-8"))
        return ChoiceReply(logprobs, Usage(await self.count_tokens(request), 0, len(logprobs)))

    async def text_logprobs(self, request: TextRequest) -> TextReply:
        """A word that the context holds has probability 1/2, any other 1/16."""
        self._demand(TEXT_LOGPROBS)
        fate = self._fate(request)
        known, words = set(_WORD.findall(request.context.lower())), _WORD.findall(request.text.lower())
        logprob = -math.inf if fate == "unparsable" else sum(math.log(1 / 2 if w in known else 1 / 16) for w in words)
        return TextReply(logprob, len(words), Usage(await self.count_tokens(request), 0, 0))

    def _demand(self, capability: str) -> None:
        if capability not in self.capabilities:
            raise PermanentError(
                f"The scripted model was told not to provide {capability}.",
                known=f"It provides {', '.join(sorted(self.capabilities)) or 'nothing'}.",
            )

    def _fate(self, request: Request) -> str:
        """Logs the call and says what becomes of it: empty, `refused` or `unparsable`."""
        key = hashlib.sha256(encode(request).encode("utf-8")).hexdigest()
        if self._config.log is not None:
            with Path(self._config.log).open("a", encoding="utf-8") as file:
                file.write(key + "\n")
        self._calls[key] += 1
        config, drawn = self._config, _share("fate", key)
        for fate in ("fail", "transient", "refuse", "unparsable"):
            drawn -= getattr(config, f"{fate}_share")
            if drawn < 0:
                break
        else:
            return ""
        if fate == "fail":
            raise PermanentError("The scripted model fails at this request (fail_share).")
        if fate == "transient" and self._calls[key] == 1:
            raise TransientError("The scripted model fails at this request for once (transient_share).")
        return "" if fate == "transient" else fate

    def _completion(self, request: GenerateRequest, sample: int, fate: str) -> Completion:
        if fate == "refuse":
            return Completion("", "refusal")
        seed = hashlib.sha256(f"{encode(request)} {sample}".encode()).hexdigest()
        last = request.messages[-1].content
        if fate == "unparsable":
            text = f"}}{{ {seed} ]["
        elif (rule := next((reply for pattern, reply in self._rules if pattern.search(last)), None)) is not None:
            text = rule
        elif request.json_schema is not None and JSON_SCHEMA in self.capabilities:
            text = json.dumps(_instance(request.json_schema, seed))
        else:
            known = sorted(set(_WORD.findall(last))) or ["nothing"]
            picked = [known[int(_share(f"word {i}", seed) * len(known))] for i in range(3)]
            text = f"words that look like {', '.join(dict.fromkeys(picked))}"
        return _cut(text, request)


def _rules(path: str | None) -> tuple[list[tuple[re.Pattern[str], str]], str]:
    """The rules of a file, in order, and the hash of its contents."""
    if path is None:
        return [], ""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
        rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(r) for r in text.splitlines() if r]
        rules = [(re.compile(row["pattern"]), str(row["reply"])) for row in rows]
    except (OSError, ValueError, TypeError, KeyError, re.error) as error:
        raise ConfigError(
            f"replies: {path} cannot be used.",
            known=f"{type(error).__name__}: {error}",
            remedy='It must hold {"pattern": REGEX, "reply": TEXT}, one per line or as a JSON list.',
        ) from error
    return rules, hashlib.sha256(text.encode("utf-8")).hexdigest()


def _share(purpose: str, key: str) -> float:
    """A number in [0, 1) that looks random and depends on its arguments alone."""
    return int.from_bytes(hashlib.sha256(f"{purpose} {key}".encode()).digest()[:6], "big") / 2**48


def _peaked(digest: bytes, n: int) -> np.ndarray:
    """Log-probabilities [choice]: one choice takes most, those beside it less, other tokens a tenth."""
    peak = int(_share("peak", digest.hex()) * n)
    weights = np.exp(-np.abs(np.arange(n) - peak) * (1 + 2 * _share("width", digest.hex())))
    logprobs: np.ndarray = np.log(0.9 * weights / weights.sum())
    return logprobs


def _cut(text: str, request: GenerateRequest) -> Completion:
    """Ends a text at its first stop string, or after `max_tokens` words."""
    ends = [position for stop in request.stop if (position := text.find(stop)) >= 0]
    text = text[: min(ends, default=len(text))]
    words = list(re.finditer(r"\S+", text))
    if len(words) > request.max_tokens:
        return Completion(text[: words[request.max_tokens - 1].end()], "length")
    return Completion(text)


def _instance(schema: Mapping[str, Any], seed: str) -> Any:
    """Something that follows a JSON schema of plain keywords (no references, no combinations)."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][int(_share("enum", seed) * len(schema["enum"]))]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: _instance(part, f"{seed}.{name}") for name, part in properties.items()}
        case "array":
            size = int(schema.get("minItems", min(1, schema.get("maxItems", 1))))
            parts = [*schema.get("prefixItems", ())[:size]]
            parts += [schema.get("items", {})] * (size - len(parts))
            return [_instance(part, f"{seed}[{i}]") for i, part in enumerate(parts)]
        case "integer" | "number":
            low = int(schema.get("minimum", 0))
            high = int(schema.get("maximum", low + 10))
            return low + int(_share("number", seed) * (high - low + 1))
        case "boolean":
            return _share("boolean", seed) < 0.5
        case "null":
            return None
    return f"text {hashlib.sha256(seed.encode()).hexdigest()[:6]}"
