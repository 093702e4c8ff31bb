"""Asking a language model for a gloss, and reading its reply: what all explainers that are one prompt share."""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from neurogloss.builtin.explainers.asking_configs import AskingConfig
from neurogloss.builtin.explainers.listing import Listing, listing
from neurogloss.builtin.prompts.rendering import Conversation, Prompt
from neurogloss.errors import LanguageModelError
from neurogloss.interfaces.explainer import Explainer
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.records.explanations import Explanation, ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import Completion, GenerateRequest
from neurogloss.records.unit_records import SplitView

ConfigT = TypeVar("ConfigT", bound=AskingConfig)

# A full stop ends a sentence after three letters or digits and before a capital: not in "e.g. Rome".
_SENTENCE_END = re.compile(r"(?<=\w{3}[.!?])\s+(?=[A-Z])")
# Small models go on listing: "because", a tab, and the level 10.
_LISTED_LEVEL = re.compile(r"\t\d{1,2}\s*$")
_BULLET = re.compile(r"^\s*(?:[-*\u2022]|\(?\d{1,2}[.)])\s+")
_QUOTED = re.compile(
    r"""(?P<mark>["'`*_]+)(?P<inner>(?:(?!(?P=mark)).)+)(?P=mark)\.?"""
    r"""|[\u2018\u201c\u00ab](?P<between>[^\u201c\u201d\u00ab\u00bb]+)[\u2019\u201d\u00bb]\.?"""
)


class AskingExplainer(Explainer, Generic[ConfigT]):
    """Shows a unit in one prompt, asks for as many explanations as are wanted, and reads them.

    A subclass says what the prompt shows, and may read more out of a reply than one gloss.
    """

    schema: Mapping[str, Any] | None = None
    """A JSON schema for the reply."""

    def __init__(self, config: ConfigT, llm: LanguageModel) -> None:
        self.needs_token_means = config.listing.tokens > 0
        self._config = config
        self._llm = llm
        self._prompt = Prompt(config.template, config.prompt)

    @abstractmethod
    def conversation(self, view: SplitView) -> Conversation | Failure:
        """The prompt that shows a unit, of which `min_records` records fire at least."""

    @property
    def max_tokens(self) -> int:
        """Longest reply."""
        return self._config.max_tokens

    def read(self, provenance: Provenance, text: str, opening: str) -> Explanation | Failure:
        """The explanation in a reply.

        Args:
            provenance: To put into it.
            text: The reply.
            opening: How it begins, where the prompt says so.
        """
        gloss = read_gloss(text, opening)
        return gloss if isinstance(gloss, Failure) else ProseExplanation(provenance, gloss)

    async def explain(self, view: SplitView) -> tuple[Explanation | Failure, ...]:
        """Draws `samples` explanations; see `Explainer.explain`."""
        asked = self._asked(view)
        if isinstance(asked, Failure):
            return (asked,) * self._config.samples
        return tuple(await asyncio.gather(*(self._sample(asked, i) for i in range(self._config.samples))))

    def listing(self, view: SplitView) -> Listing:
        """The tokens by mean activation that the config asks for."""
        return listing(view, self._config.listing)

    def _asked(self, view: SplitView) -> Conversation | Failure:
        if view.dead:
            return Failure(Reason.DEAD, f"never above 0 in the {view.split} split")
        n_firing = sum(record.maximum > 0 for record in view.records.top[: self._config.n_records])
        if n_firing < self._config.min_records:
            return Failure(Reason.TOO_FEW_RECORDS, f"{n_firing} firing records, {self._config.min_records} needed")
        if self.needs_token_means and view.token_means is None:
            return Failure(Reason.TOO_FEW_RECORDS, f"no means per token in the {view.split} split")
        return self.conversation(view)

    async def _sample(self, conversation: Conversation, sample: int) -> Explanation | Failure:
        config = self._config
        default = 0.0 if config.samples == 1 else 1.0
        request = GenerateRequest(
            messages=conversation.messages,
            max_tokens=self.max_tokens,
            temperature=default if config.temperature is None else config.temperature,
            seed=config.seed + sample,
            json_schema=self.schema,
        )
        try:
            reply = await self._llm.generate(request)
        except LanguageModelError as error:
            return Failure(Reason.FAILED, str(error))
        identity = "/".join(filter(None, self._llm.identity().values()))
        provenance = Provenance(config.template, identity, self._prompt.prompt_hash, request.seed, sample)
        text = text_of(reply.completions)
        outcome = text if isinstance(text, Failure) else self.read(provenance, text, conversation.opening)
        if isinstance(outcome, Failure):
            self._llm.reject(request)
        return outcome


def text_of(completions: Sequence[Completion]) -> str | Failure:
    """The text of a reply to one question."""
    if any(completion.finish_reason == "refusal" for completion in completions):
        return Failure(Reason.REFUSED, "the language model refused to explain")
    return completions[0].text if completions else ""


def read_gloss(text: str, opening: str) -> str | Failure:
    """The gloss in a reply: its first sentence, without the opening and without quotes around it.

    A line with the opening goes before a line without.
    """
    lines = [unquoted(_BULLET.sub("", _LISTED_LEVEL.sub("", line))) for line in text.splitlines()]
    parts = [re.split(re.escape(opening), line, flags=re.IGNORECASE) if opening else [line] for line in lines]
    opened = [unquoted(part) for line in parts for part in line[1:]]
    glosses = filter(says_something, opened + [line[0] for line in parts if len(line) == 1])
    return first_sentence(next(glosses, "")) or nothing_in(text)


def read_conclusion(text: str, opening: str) -> str | Failure:
    """The gloss after the last `opening` in a reply that thinks aloud first; what comes before is no gloss."""
    parts = [re.split(re.escape(opening), unquoted(line), flags=re.IGNORECASE) for line in text.splitlines()]
    glosses = filter(says_something, (unquoted(part) for line in reversed(parts) for part in reversed(line[1:])))
    return first_sentence(next(glosses, "")) or nothing_in(text)


def nothing_in(text: str) -> Failure:
    """The failure where a reply holds no explanation."""
    return Failure(Reason.UNPARSABLE, f"no explanation in the reply {text[:80]!r}")


def first_sentence(text: str) -> str:
    """The first sentence, without quotes around it."""
    return unquoted(_SENTENCE_END.split(text)[0])


def unquoted(text: str) -> str:
    """The text without white space and quotes around all of it."""
    text = text.strip()
    while match := _QUOTED.fullmatch(text):
        text = (match["inner"] or match["between"]).strip()
    return text


def says_something(text: str) -> bool:
    """Whether a text may be a gloss: it has letters, announces nothing, and does not repeat one word."""
    words = re.findall(r"\w+", text.lower())
    letters = any(character.isalpha() for character in text)
    return letters and not text.endswith(":") and not (len(words) > 3 and len(set(words)) == 1)
