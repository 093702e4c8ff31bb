"""The table of readers, tried in this order."""

from __future__ import annotations

from neurogloss.builtin.llms.readers.chosen_text import intruder, text_that_fires
from neurogloss.builtin.llms.readers.firing_texts import firing_texts
from neurogloss.builtin.llms.readers.levels_as_json import levels_as_json
from neurogloss.builtin.llms.readers.levels_at_slots import levels_at_slots
from neurogloss.builtin.llms.readers.marked_tokens import marked_tokens
from neurogloss.builtin.llms.readers.reader import Reader
from neurogloss.builtin.llms.readers.written_texts import written_texts

READERS: tuple[Reader, ...] = (
    levels_at_slots,
    levels_as_json,
    marked_tokens,
    firing_texts,
    text_that_fires,
    intruder,
    written_texts,
)
