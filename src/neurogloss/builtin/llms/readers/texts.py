"""What the readers of questions about texts have in common: the texts that a request asks about, one a line."""

from __future__ import annotations

import re

import numpy as np

from neurogloss.builtin.llms.readers.reader import certain
from neurogloss.builtin.subjects.synthetic import tokens_of
from neurogloss.records.requests import ChoiceRequest, Request

_TEXT = re.compile(r"^Text (\d+): (.*)$", re.MULTILINE)
_ESCAPE = re.compile(r"\\([nrt])")
_MARK = "=>"


def asked_texts(request: Request, label: str) -> tuple[ChoiceRequest, list[str]] | None:
    """The texts that a request asks about, where each of its slots follows `label`.

    Args:
        request: Any request.
        label: What stands before the mark of a slot, with `#` for a number.

    Returns:
        The request and the texts of its last list, as they are shown; `None` for another kind of request.
    """
    if not isinstance(request, ChoiceRequest):
        return None
    lines = [piece.rpartition("\n")[2].strip() for piece in request.pieces[:-1]]
    pattern = re.escape(f"{label} {_MARK}").replace(r"\#", r"\d+")
    if not all(re.fullmatch(pattern, line) for line in lines):
        return None
    shown = "\n".join([*(message.content for message in request.messages), request.pieces[0]])
    texts: list[str] = []
    for number, text in _TEXT.findall(shown):
        texts = [*(texts if int(number) == len(texts) + 1 else []), text]
    return (request, texts) if texts else None


def words_of(text: str) -> list[str]:
    """The synthetic subject's words of a text as a prompt shows it on one line, without white space."""
    return [token.strip() for token in tokens_of(unescaped(text))]


def unescaped(text: str) -> str:
    """The text with its line ends and tabs."""
    return _ESCAPE.sub(lambda match: {"n": "\n", "r": "\r", "t": "\t"}[match[1]], text)


def yes_or_no(request: ChoiceRequest, answers: list[bool]) -> np.ndarray:
    """Log-probabilities of `Yes` where it is true, and of `No` elsewhere."""
    places = [request.choices.index("Yes" if answer else "No") for answer in answers]
    return certain(np.array(places, dtype=np.int64), len(request.choices))
