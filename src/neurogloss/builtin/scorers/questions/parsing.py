"""Reading answers out of a reply, whatever stands around them; what is not there is never made up."""

from __future__ import annotations

import re
from collections.abc import Mapping

YES_NO: Mapping[str, int] = {"yes": 1, "true": 1, "1": 1, "no": 0, "false": 0, "0": 0}
"""Words and their answers, in lower case."""

_LIST = re.compile(r"\[([^\[\]{}]*)\]")
_KEYED = re.compile(r"""["']?answers["']?\s*[:=]\s*\[([^\[\]{}]*)\]""", re.IGNORECASE)
_SPACES = re.compile(r"[\s,;]+")
_EDGES = " \t\r\n\"'`*_.()"
_LINE = re.compile(r"\W*(?:(?:text|question|answer|example|item)\s*)?#?(\d{1,3})\W+(\w+)\W*", re.IGNORECASE)
_PLACE = re.compile(r"\b(?:text|number|answer|option)\b\W{0,8}(?:is\W{1,4})?(?:text\W{1,3})?(\d{1,3})\b", re.IGNORECASE)


def numbers_to(n: int) -> Mapping[str, int]:
    """The words for the places of `n` texts, counted from 1."""
    return {str(place + 1): place for place in range(n)}


def read_answers(text: str, n: int, words: Mapping[str, int]) -> tuple[int, ...] | None:
    """The answers to `n` questions.

    Read are a list after the key `answers`; else a list in brackets; else lines that each begin with
    the number of their question; else a reply that is nothing but `n` words; and, for a single
    question, a reply that begins with its word, or names one place (`text 3`). Prose, fences, several
    lines, quotes, `True` and `False` do no harm.

    Args:
        text: The reply.
        n: How many answers there must be.
        words: What counts as an answer, in lower case.

    Returns:
        An answer for each question; `None` where there are fewer or more, where a word is no answer,
        and where the reply holds two sets of answers that differ.
    """
    keyed = _KEYED.findall(text)
    lists = {_read(part.split(","), n, words) for part in keyed or _LIST.findall(text)} - {None}
    if lists or keyed:
        return lists.pop() if len(lists) == 1 else None
    return _numbered(text, n, words) or _bare(text, n, words) or (_single(text, words) if n == 1 else None)


def _read(parts: list[str], n: int, words: Mapping[str, int]) -> tuple[int, ...] | None:
    if parts and not parts[-1].strip():  # a comma after the last
        parts = parts[:-1]
    answers = [words.get(part.strip(_EDGES).lower()) for part in parts]
    return tuple(a for a in answers if a is not None) if len(answers) == n and None not in answers else None


def _numbered(text: str, n: int, words: Mapping[str, int]) -> tuple[int, ...] | None:
    found: dict[int, int] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        answer = words.get(match[2].lower()) if match else None
        if match is None or answer is None:
            continue
        if found.setdefault(int(match[1]), answer) != answer:
            return None
    return tuple(found[i] for i in range(1, n + 1)) if set(found) == set(range(1, n + 1)) else None


def _bare(text: str, n: int, words: Mapping[str, int]) -> tuple[int, ...] | None:
    return _read(_SPACES.split(text.strip(_EDGES + ",;")), n, words)


def _single(text: str, words: Mapping[str, int]) -> tuple[int] | None:
    first = re.match(r"\W*(\w+)(?:\s*[.,:;!\-\n]|\W*$)", text)
    if first and first[1].lower() in words:
        mentioned = {words[word] for word in re.findall(r"\w+", text.lower()) if word in words}
        return (mentioned.pop(),) if len(mentioned) == 1 else None
    places = {place for place in _PLACE.findall(text) if place in words} if words is not YES_NO else set()
    return (words[places.pop()],) if len(places) == 1 else None
