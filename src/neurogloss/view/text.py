"""Texts and numbers as a person reads them."""

from __future__ import annotations

import math
import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef"
    "\ufeff\ufff9-\ufffc\ufffe\uffff\ud800-\udfff]"
)
_DELETE = 0x7F
_CONTROL_PICTURES = 0x2400
_LONGEST_TOKEN = 60
"""Characters of a token that are shown."""


def visible(text: str) -> str:
    """The text with a mark in place of each character that HTML forbids, that cannot be seen, or that reorders text.

    Line feeds and tabs stay; joiners stay too, since emoji and several scripts need them.
    """
    return _UNSEEN.sub(_mark, text)


def _mark(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    if code == _DELETE:
        return "␡"
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else f"⟨{code:04X}⟩"


def token_text(text: str) -> str:
    """A token's text with marks for line feeds and tabs, and for no text at all; of a long one its beginning."""
    cut = text if len(text) <= _LONGEST_TOKEN else f"{text[:_LONGEST_TOKEN]}…"
    return visible(cut).replace("\n", "↵").replace("\t", "⇥") or "∅"


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits; a dash for what is not defined."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    large = abs(value) >= 10**digits - 0.5
    return _signed(f"{value:,.0f}" if large else f"{value:.{digits}g}")


def score_number(value: float | None) -> str:
    """A score with two decimals; a dash for what is not defined."""
    return number(value) if value is None or not math.isfinite(value) else _signed(f"{value:.2f}")


def interval(low: float | None, high: float | None) -> str:
    """`0.31 to 0.52`, or nothing where there is no interval."""
    return "" if low is None or high is None else f"{score_number(low)} to {score_number(high)}"


def difference(value: float) -> str:
    """A difference of scores, always with its sign."""
    text = score_number(value)
    return text if value < 0 or text == "0.00" else f"+{text}"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s` or `2 h 5 min`."""
    whole = round(seconds)
    if seconds < 10:
        return f"{number(seconds, 2)} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def counted(count: int, noun: str) -> str:
    """`1 record`, `2,000 records`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _signed(text: str) -> str:
    return text.strip("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")
