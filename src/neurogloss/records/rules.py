"""Executable explanations: rules on the texts of tokens, whose effects add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from neurogloss.records.explanations import Explanation

SHAPES = ("lower", "capitalised", "upper", "letters", "digits", "punctuation", "mixed", "space")
"""What `shape` tells apart."""

_SHOWN = 12
"""Tokens of a list that are shown; the rest is counted."""

_KINDS_OF_WORD = {
    "lower": "lower-case word",
    "capitalised": "capitalised word",
    "upper": "upper-case word",
    "letters": "word of mixed case",
    "digits": "number",
    "punctuation": "punctuation",
    "mixed": "mixed sign",
    "space": "white space",
    "": "token",
}


def shape(word: str) -> str:
    """The kind of characters in a text without white space around it; one of `SHAPES`."""
    if not word:
        return "space"
    if word.isdigit():
        return "digits"
    if word.isalpha():
        if word.islower():
            return "lower"
        if word.isupper():
            return "upper"
        return "capitalised" if word[0].isupper() and word[1:].islower() else "letters"
    return "mixed" if any(character.isalnum() or character == "_" for character in word) else "punctuation"


@dataclass(frozen=True)
class TokenTest:
    """What a rule asks of one token's text; all that is given must hold, and nothing given holds always."""

    tokens: tuple[str, ...] = ()
    """The text is one of these, white space included."""
    words: tuple[str, ...] = ()
    """Without white space around it and in lower case, the text is one of these."""
    shape: str = ""
    """One of `SHAPES`."""
    spaced: bool | None = None
    """Whether white space comes first."""
    prefix: str = ""
    """How the word begins, in lower case."""
    suffix: str = ""
    """How the word ends, in lower case."""
    length: int | None = None
    """Characters in the word."""
    start: bool = False
    """There is no token: the text begins after this place."""

    def holds(self, text: str | None) -> bool:
        """Whether a token's text passes; `None` is the place before the first token."""
        if text is None or self.start:
            return text is None and (self.start or self == TokenTest())
        word = text.strip()
        lower = word.lower()
        return (
            (not self.tokens or text in self.tokens)
            and (not self.words or lower in self.words)
            and (not self.shape or shape(word) == self.shape)
            and (self.spaced is None or text[:1].isspace() == self.spaced)
            and lower.startswith(self.prefix)
            and lower.endswith(self.suffix)
            and (self.length is None or len(word) == self.length)
        )

    def __str__(self) -> str:
        if self.start:
            return "the start of the text"
        if self.tokens:
            return _listed(self.tokens)
        if self.words:
            return _listed(self.words) + " in any case"
        if self == TokenTest():
            return "any token"
        said = [_KINDS_OF_WORD[self.shape]]
        if self.length is not None:
            said.append(f"of {self.length} characters")
        if self.prefix:
            said.append(f"starting with {self.prefix!r}")
        if self.suffix:
            said.append(f"ending with {self.suffix!r}")
        if self.spaced is not None:
            said.append("after a space" if self.spaced else "without a space before it")
        return " ".join(said)


@dataclass(frozen=True)
class Rule:
    """What a token, and those before it, add to the activation."""

    effect: float
    """Added to the prediction wherever the rule holds."""
    token: TokenTest = TokenTest()
    """Of the token itself."""
    before: tuple[TokenTest, ...] = ()
    """Of the tokens before it, the nearest first."""

    def __str__(self) -> str:
        tests = f"{self.token}"
        if self.before:
            tests += " after " + ", ".join(map(str, reversed(self.before)))
        return f"{self.effect:+.3g} at {tests}"


@dataclass(frozen=True)
class RulesExplanation(Explanation):
    """A unit as a short list of rules: the prediction is `base` plus the effects of all rules that hold."""

    base: float
    """What a token gets at which no rule holds."""
    rules: tuple[Rule, ...]
    """In the order in which they were found, the most telling first."""

    def summary(self) -> str:
        shown = "; ".join(str(rule) for rule in self.rules[:3]) or "no rule"
        more = f"; and {len(self.rules) - 3} more" if len(self.rules) > 3 else ""
        return f"{self.base:.3g} everywhere; {shown}{more}"

    def text(self) -> str:
        """All of it, a rule a line."""
        return "\n".join([f"{self.base:.3g} everywhere", *map(str, self.rules)])

    def predict(self, texts: Sequence[str | None]) -> list[float]:
        """The activation at each token [pos].

        Args:
            texts: The tokens' texts; `None` stands for a special token, gets NaN, and begins a text.
        """
        tests = {test for rule in self.rules for test in (rule.token, *rule.before)}
        reach = max((len(rule.before) for rule in self.rules), default=0)
        padded = [*[None] * reach, *texts]
        holds = {test: [test.holds(text) for text in padded] for test in tests}
        values = []
        for place in range(reach, len(padded)):
            value = self.base if padded[place] is not None else math.nan
            for rule in self.rules:
                if holds[rule.token][place] and all(holds[test][place - 1 - i] for i, test in enumerate(rule.before)):
                    value += rule.effect
            values.append(value)
        return values


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(map(repr, texts[:_SHOWN])) + more
