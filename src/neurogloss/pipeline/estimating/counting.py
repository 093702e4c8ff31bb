"""What a request would cost: prompt tokens, how many of them a cache could hold, and how long a reply can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from os.path import commonprefix

from neurogloss.interfaces.language_model import JSON_SCHEMA
from neurogloss.interfaces.token_counting import TokenCounting
from neurogloss.interfaces.turns import TurnTaking
from neurogloss.pipeline.estimating.standing_in import Asked, Group, shortest_json
from neurogloss.pipeline.estimating.token_rule import RULE, filled, ruled_tokens, tokens_of
from neurogloss.pipeline.limits import Clock, Limits
from neurogloss.pipeline.retrying import retried
from neurogloss.records.requests import GenerateRequest, Request, TextRequest

OWN_COUNT = "the model's own tokenizer or token counter"
_LONGEST_TOKEN = 8
"""Characters of JSON that a token holds at most, on average."""


@dataclass(frozen=True)
class Cost:
    """What one request would cost."""

    group: Group
    prompt_tokens: int
    cacheable_tokens: int
    """Those of `prompt_tokens` with which another request of the role begins too."""
    least: int
    """Completion tokens, if the reply is as short as it can sensibly be."""
    most: int
    """Completion tokens, as the model bounds them."""
    n_calls: int = 1
    """How many calls to the server it can take."""


class Counter:
    """Counts the tokens of requests, with the model's own counter where it has one.

    A model's own counter that fails is not asked again; the rule counts in its place.

    Args:
        limits: How many requests are counted at once, and how patiently.
        redact: Takes secrets out of the texts of errors.
        clock: Tells and waits.
    """

    def __init__(self, limits: Limits, *, redact: Callable[[str], str] = str, clock: Clock | None = None) -> None:
        self._limits = limits
        self._redact = redact
        self._clock = clock or Clock()
        self._gate = asyncio.Semaphore(limits.concurrency)
        self.counted_by: dict[str, str] = {}
        """How the prompt tokens of each role were counted, in words."""

    async def costs(self, units: Sequence[Sequence[Asked]]) -> list[list[Cost]]:
        """The costs of the requests of each unit."""
        texts: dict[str, list[str]] = {}
        for each in chain.from_iterable(units):
            texts.setdefault(each.role, []).append(whole_text(each.request))
        shared = {role: _shared_beginnings(each) for role, each in texts.items()}
        return [await asyncio.gather(*(self._cost(each, shared[each.role]) for each in unit)) for unit in units]

    async def prompt_tokens(self, asked: Asked) -> int:
        """The prompt tokens that the reply's usage would tell."""
        model, role = asked.model, asked.role
        known = self.counted_by.setdefault(role, OWN_COUNT if isinstance(model, TokenCounting) else RULE)
        if isinstance(model, TokenCounting) and known == OWN_COUNT:
            try:
                async with self._gate:
                    return await retried(
                        partial(model.count_tokens, asked.request), self._limits, self._clock, asked.key
                    )
            except Exception as error:  # of whatever kind, it must not end the estimate
                why = self._redact((str(error).splitlines() or [type(error).__name__])[0])
                self.counted_by[role] = f"{RULE} (the model's own counter failed: {why})"
        return ruled_tokens(model, asked.request)

    async def _cost(self, asked: Asked, shared: Mapping[str, int]) -> Cost:
        prompt_tokens = await self.prompt_tokens(asked)
        text = whole_text(asked.request)
        share = tokens_of(text[: shared[text]]) / max(1, tokens_of(text))
        most = asked.model.bound(asked.request).completion_tokens or 0
        return Cost(asked.group, prompt_tokens, round(share * prompt_tokens), _shortest(asked), most, _calls(asked))


def _shared_beginnings(texts: Iterable[str]) -> dict[str, int]:
    """How many characters of each text another begins with too: in their order, a neighbour has them."""
    ordered = sorted(texts)
    shared = [len(commonprefix(pair)) for pair in pairwise(ordered)]  # noqa: RUF071  (texts, no paths)
    return {text: max(both) for text, both in zip(ordered, pairwise([0, *shared, 0]), strict=True)}


def whole_text(request: Request) -> str:
    """Messages, and a text with its slots filled, as one text; equal beginnings are equal beginnings."""
    if isinstance(request, TextRequest):
        return request.context + request.text
    parts = [f"{message.role}\n{message.content}\n" for message in request.messages]
    return "".join(parts if isinstance(request, GenerateRequest) else [*parts, *filled(request)])


def _calls(asked: Asked) -> int:
    return asked.model.n_calls(asked.request) if isinstance(asked.model, TurnTaking) else 1


def _shortest(asked: Asked) -> int:
    request = asked.request
    if not isinstance(request, GenerateRequest):
        return 0
    if request.json_schema is None or JSON_SCHEMA not in asked.model.capabilities:
        return request.n
    shortest = max(1, len(shortest_json(request.json_schema)) // _LONGEST_TOKEN)
    return request.n * min(shortest, request.max_tokens)
