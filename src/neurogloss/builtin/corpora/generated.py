"""The corpus for the synthetic subject: sentences from templates, so that every unit gets its material."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from random import Random
from typing import Any

from neurogloss.builtin.corpora.configs import SyntheticCorpusConfig
from neurogloss.builtin.corpora.contents import contents_hash
from neurogloss.builtin.subjects.puzzles import Puzzle, read_puzzles
from neurogloss.errors import CorpusError
from neurogloss.interfaces.corpus import Corpus
from neurogloss.records.documents import Document

_SLOT = re.compile(r"\{(\^?)([a-z_]+)(?:\.(\d))?\}")
_SENTENCES = 5
"""A document's; together about as many tokens as a sequence has."""


class SyntheticCorpus(Corpus):
    """Readable nonsense in which every unit of the synthetic subject has something to fire on.

    A document is a few sentences on different subjects, dealt out from a shuffled pack, so that each
    subject comes as often as any other. Nothing but the seed decides what they say.
    """

    def __init__(self, config: SyntheticCorpusConfig) -> None:
        self._config = config

    def identity(self) -> Mapping[str, str]:
        return {"corpus": "synthetic", "sha256": contents_hash(self._documents)}

    def documents(self) -> Iterator[Document]:
        yield from self._documents

    @cached_property
    def _documents(self) -> tuple[Document, ...]:
        if self._config.puzzles is not None:
            return tuple(_sentences(read_puzzles(self._config.puzzles, CorpusError)))
        return tuple(_generated(self._config.n_documents, self._config.seed))


def _sentences(puzzles: Sequence[Puzzle]) -> Iterator[Document]:
    """Each sentence once, though several puzzles hold it: equal texts must not fall into two splits."""
    seen: set[str] = set()
    for puzzle in puzzles:
        for number, sentence in enumerate(puzzle.sentences):
            text = "".join(sentence.tokens)
            if text not in seen:
                yield Document(f"{puzzle.name}:{number}", text)
            seen.add(text)


def _generated(n_documents: int, seed: int) -> Iterator[Document]:
    data = json.loads(files("neurogloss.builtin").joinpath("data", "synthetic_corpus.json").read_text(encoding="utf-8"))
    pack: list[str] = []
    for number in range(n_documents):
        id_ = f"synthetic-{seed}-{number:05}"
        random = Random(id_)
        if len(pack) < _SENTENCES:
            pack += sorted(data["sentences"], key=lambda _: random.random())
        subjects, pack = pack[:_SENTENCES], pack[_SENTENCES:]
        templates = [_drawn(data["sentences"][subject], random) for subject in subjects]
        yield Document(id_, " ".join(_filled(template, data["lists"], random) for template in templates))


def _drawn(items: Sequence[str], random: Random) -> str:
    # Of what Random can do, only `random` is promised to stay as it is in every version of Python.
    return items[int(random.random() * len(items))]


def _filled(template: str, lists: Mapping[str, Any], random: Random) -> str:
    """The template with its slots filled; a slot with a number, `{animal.1}`, says the same wherever it stands."""
    first, second = (2 + int(random.random() * 48) for _ in range(2))
    labelled = {
        "n.1": str(first),
        "n.2": str(second),
        "sum": str(first + second),
        "next": str(first + 1),
        "after_next": str(first + 2),
        "double": str(2 * first),
    }

    def fill(slot: re.Match[str]) -> str:
        capital, name, label = slot.groups()
        key = name if label is None else f"{name}.{label}"
        if (text := labelled.get(key)) is None:
            text = _number(name, random) or _drawn(lists[name], random)
            if label is not None:
                labelled[key] = text
        return text[0].upper() + text[1:] if capital else text

    return _SLOT.sub(fill, template)


def _number(name: str, random: Random) -> str:
    """A year, or a number of at most two digits; empty for the name of a list."""
    match name:
        case "year":
            return str(1650 + int(random.random() * 380))
        case "n":
            return str(2 + int(random.random() * 88))
    return ""
