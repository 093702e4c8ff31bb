"""The corpus for the planted subject: documents made from a description, so that every neuron gets its material."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from random import Random

from neurogloss.errors import CorpusError, SubjectError
from neurogloss.interfaces.corpus import Corpus
from neurogloss.records.documents import Document
from neurogloss_transformers.configs import PlantedCorpusConfig
from neurogloss_transformers.planted.description import Description, Formula
from neurogloss_transformers.planted.evaluator import evaluate
from neurogloss_transformers.planted.phrases import Item, Needs, Phrase, drawn, phrase_for
from neurogloss_transformers.planted.reading import read_description

_LENGTH = 36
"""Tokens after which no phrase is added to a document."""
_HOPELESS = 60
"""Documents made for a neuron that fires in none of them, after which no more are."""
_PER_NEURON, _AT_LEAST = 60, 800
_OTHER = """
account answer basket bright brother careful carried chapter corner counted early empty family forest friend garden
gentle gladly kitchen letter listened market meadow mirror narrow opened painter paper quiet reason remembered silver
slowly spoke story strange table teacher village walked window wooden
"""
"""Words that stand for all that a description does not name."""


class PlantedCorpus(Corpus):
    """Nonsense in which every neuron of a planted subject that can fire does so often.

    A document is made for the neurons that have fired in the fewest documents so far, as the evaluator of the
    description says, and for one of the false explanations, so that it can be told from what is true. Words of a
    class are dealt from a shuffled pack, so that each comes as often as any other.
    """

    def __init__(self, config: PlantedCorpusConfig) -> None:
        self._config = config

    def identity(self) -> Mapping[str, str]:
        digest = hashlib.sha256("\n".join(f"{each.id} {each.text}" for each in self._documents).encode())
        return {"corpus": "planted", "sha256": digest.hexdigest()}

    def documents(self) -> Iterator[Document]:
        yield from self._documents

    @cached_property
    def _documents(self) -> tuple[Document, ...]:
        try:
            description = read_description(self._config.description)
        except SubjectError as error:
            raise CorpusError(error.wrong, known=error.known, remedy=error.remedy) from error
        n_documents = self._config.n_documents or max(_AT_LEAST, _PER_NEURON * len(description.neurons))
        writer = _Writer(description, Random(f"planted-{self._config.seed}"))
        return tuple(
            Document(f"planted-{self._config.seed}-{number:05}", writer.document()) for number in range(n_documents)
        )


class _Writer:
    def __init__(self, description: Description, random: Random) -> None:
        self._description = description
        self._random = random
        self._longest = min(_LENGTH, description.n_positions - 1)
        self._fired = dict.fromkeys((neuron.name for neuron in description.neurons), 0)
        self._tried = dict(self._fired)
        false = [claim.formula for neuron in description.neurons for claim in neuron.false_explanations]
        self._false = list(dict.fromkeys(formula for formula in false if formula))
        self._false_pack: list[Formula] = []
        self._words: dict[frozenset[str], list[str]] = {
            frozenset(): sorted(set(_OTHER.split()) - set(description.words))
        }
        for word in description.words:
            kinds = frozenset(name for name, members in description.classes.items() if word in members)
            self._words.setdefault(kinds, []).append(word)
        self._packs: dict[frozenset[str], list[str]] = {kinds: [] for kinds in self._words}

    def document(self) -> str:
        """The next document's text."""
        words: list[str] = []
        for phrase in self._phrases():
            if words:
                words += [self._word({}) for _ in range(int(self._random.random() * 3))]
            words += [self._word(needs) for needs in phrase.tokens]
            if len(words) >= self._longest:
                break
        words = words[: self._description.n_positions - 1]
        for name, values in evaluate(self._description, ["", *words]).values.items():
            self._fired[name] += bool(values[1:].any())
        return re.sub(r" (?=[.,;:?!])", "", " ".join(words))

    def _phrases(self) -> list[Phrase]:
        """In the order in which they are to stand; at most one opens the document."""
        found: list[Phrase] = []
        for formula in self._formulas():
            phrase = phrase_for(self._description, formula, self._random)
            if phrase is None or not all(map(self._kinds, phrase.tokens)):
                continue
            if not (phrase.opens and any(each.opens for each in found)):
                found.append(phrase)
        shuffled = self._shuffled(found) or [Phrase(({},), False)]
        return sorted(shuffled, key=lambda phrase: not phrase.opens)

    def _formulas(self) -> Iterator[Formula]:
        """Of the neurons that have fired least, and of a false explanation."""
        hopeful = [
            neuron
            for neuron in self._shuffled(self._description.neurons)
            if self._fired[neuron.name] or self._tried[neuron.name] < _HOPELESS
        ]
        for neuron in sorted(hopeful, key=lambda neuron: self._fired[neuron.name])[:3]:
            self._tried[neuron.name] += 1
            yield neuron.formula
        self._false_pack = self._false_pack or self._shuffled(self._false)
        if self._false_pack:
            yield self._false_pack.pop()

    def _word(self, needs: Needs) -> str:
        """A word of the classes it must be of; about every other one that need be of no class is of none."""
        kinds = self._kinds(needs)
        kind = (
            frozenset[str]() if kinds[0] == frozenset() and self._random.random() < 0.5 else drawn(kinds, self._random)
        )
        self._packs[kind] = self._packs[kind] or self._shuffled(self._words[kind])
        return self._packs[kind].pop()

    def _kinds(self, needs: Needs) -> list[frozenset[str]]:
        """The combinations of classes that some word has and that are what is needed; no class at all stands first."""
        return [each for each in self._words if all((name in each) == needed for name, needed in needs.items())]

    def _shuffled(self, items: Sequence[Item]) -> list[Item]:
        return sorted(items, key=lambda _: self._random.random())
