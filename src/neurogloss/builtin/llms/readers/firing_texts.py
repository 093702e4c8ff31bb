"""Whether a unit fires on each of a few texts, as the scorer `detection` asks."""

from __future__ import annotations

from neurogloss.builtin.llms.readers.reader import Answer
from neurogloss.builtin.llms.readers.texts import asked_texts, words_of, yes_or_no
from neurogloss.records.requests import Request


def firing_texts(request: Request) -> Answer | None:
    """Reads as many texts as there are slots, `Text 1 =>Yes`."""
    found = asked_texts(request, "Text #")
    if found is None or set(found[0].choices) != {"Yes", "No"} or len(found[1]) != len(found[0].pieces) - 1:
        return None
    asked, words = found[0], [words_of(text) for text in found[1]]
    return lambda truth: yes_or_no(asked, [truth.fires(each) for each in words])
