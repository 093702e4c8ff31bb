"""Reading the texts that a language model wrote to test an explanation."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

FIRING, SILENT = "firing", "silent"

_STRING = re.compile(r'\s*,?\s*("(?:[^"\\]|\\.)*")', re.DOTALL)
_BULLET = re.compile(r"^\s*(?:[-*•]|\(?\d{1,3}[.):])\s+(.+)$")
_QUOTED = re.compile(r"""(["'`])(.+)\1""")


def schema(n: int) -> Mapping[str, Any]:
    """The JSON schema of `n` texts of each kind."""
    texts = {"type": "array", "items": {"type": "string"}, "minItems": n, "maxItems": n}
    return {
        "type": "object",
        "properties": {FIRING: texts, SILENT: texts},
        "required": [FIRING, SILENT],
        "additionalProperties": False,
    }


def read_texts(reply: str, n: int) -> dict[str, tuple[str, ...]]:
    """The texts in a reply, under `firing` and `silent`.

    Read is the list of JSON strings after each key, whatever stands around it, as far as it goes; where
    a key has none, the numbered or dashed lines under a line that holds the key's word and not the
    other's. A text that comes twice counts once; one that stands under both counts under neither.

    Args:
        reply: What the language model wrote.
        n: How many texts of each kind were asked for; what is beyond is left out.
    """
    found = {key: list(dict.fromkeys(_strings(reply, key))) or list(_lines(reply, key)) for key in (FIRING, SILENT)}
    found = {key: list(dict.fromkeys(text for text in map(str.strip, texts) if text)) for key, texts in found.items()}
    kinds = Counter(text for texts in found.values() for text in texts)
    return {key: tuple([text for text in texts if kinds[text] == 1][:n]) for key, texts in found.items()}


def _strings(reply: str, key: str) -> Iterator[str]:
    start = re.search(rf"""["']?{key}["']?\s*:\s*\[""", reply, re.IGNORECASE)
    position = start.end() if start else len(reply)
    while literal := _STRING.match(reply, position):
        position = literal.end()
        try:
            yield json.loads(literal[1], strict=False)
        except ValueError:  # an escape that JSON does not know
            continue


def _lines(reply: str, key: str) -> Iterator[str]:
    other = SILENT if key == FIRING else FIRING
    inside = False
    for line in reply.splitlines():
        item = _BULLET.match(line)
        if item and inside:
            text = item[1].strip()
            quoted = _QUOTED.fullmatch(text)
            yield quoted[2] if quoted else text
        elif not item and key in line.lower() and other not in line.lower():
            inside = True
        elif not item and other in line.lower():
            inside = False
