"""The table of readers, tried in this order."""

from __future__ import annotations

from neurogloss.builtin.llms.readers.levels_as_json import levels_as_json
from neurogloss.builtin.llms.readers.levels_at_slots import levels_at_slots
from neurogloss.builtin.llms.readers.reader import Reader

READERS: tuple[Reader, ...] = (levels_at_slots, levels_as_json)
