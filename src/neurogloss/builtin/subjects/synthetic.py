"""A subject without a model, whose units follow written rules."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.unit_files import KnownUnit, UnitFile
from neurogloss.errors import SubjectError
from neurogloss.interfaces.ground_truth import GroundTruth
from neurogloss.interfaces.subject import SubjectModel
from neurogloss.records.documents import Document
from neurogloss.records.tokens import Batch, Tokenized, TokenSequence
from neurogloss.records.units import Site, UnitId

_TOKEN = re.compile(r"\s*(?:[^\W\d_]+|\d+|\S)|\s+")
"""A word, a number or a single sign, with the white space before it."""
_BOS = 0
NEVER = "nothing: it never fires"
"""The truth about the side on which a unit does not fire."""


class SyntheticSubject(SubjectModel, GroundTruth):
    """Units with known explanations: the truth that explainers, simulators and scorers are tried on.

    Tokens are words, numbers and single signs, each with the white space before it; the sentences of a
    file of puzzles have the tokens that the file gives them. A token's id is a hash of its text, so the
    vocabulary needs no training. A value depends on the tokens of its own sequence alone, so padding,
    batch size and order change nothing at all.
    """

    def __init__(self, config: SyntheticConfig) -> None:
        self._bos = config.bos
        self._file = UnitFile(config.units)
        self._sites = self._file.sites
        self._sentences = {
            "".join(sentence.tokens): sentence.tokens for puzzle in self._file.puzzles for sentence in puzzle.sentences
        }

    def identity(self) -> Mapping[str, str]:
        return {"subject": "synthetic", "units": self._file.sha256, "tokenizer": "words", "bos": str(self._bos)}

    def sites(self) -> tuple[Site, ...]:
        return tuple(Site(name, len(units), "mlp", layer) for layer, (name, units) in enumerate(self._sites.items()))

    @property
    def bos_token_id(self) -> int | None:
        return _BOS if self._bos else None

    def tokenize(self, documents: Sequence[Document]) -> list[Tokenized]:
        return [self._tokenized(document) for document in documents]

    def activations(self, batch: Batch, wanted: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        chosen = {site: [self._unit(site, int(index)) for index in indices] for site, indices in wanted.items()}
        values = {site: np.zeros((*batch.token_ids.shape, len(units)), np.float32) for site, units in chosen.items()}
        solid = np.zeros(batch.token_ids.shape, dtype=bool)
        for row, sequence in enumerate(batch.sequences):
            solid[row, : len(sequence)] = ~sequence.special
        texts = [_words(sequence) for sequence in batch.sequences]
        for site, units in chosen.items():
            for column, unit in enumerate(units):
                values[site][solid, column] = unit.sign * np.concatenate([unit.rule(words) for words in texts])
        return values

    def family(self, unit: UnitId) -> str:
        """The family of rules that the unit's belongs to.

        Raises:
            SubjectError: There is no such unit.
        """
        return self._unit(unit.site, unit.index).family

    def true_explanation(self, unit: UnitId) -> str:
        known = self._side(unit)
        return known.claims[0].text if known else NEVER

    def paraphrases(self, unit: UnitId) -> tuple[str, ...]:
        known = self._side(unit)
        return tuple(claim.text for claim in known.claims[1:]) if known else ()

    def false_explanations(self, unit: UnitId) -> tuple[str, ...]:
        known = self._side(unit)
        return tuple(claim.text for claim in known.false) if known else ()

    def true_values(self, explanation: str, sequence: TokenSequence) -> np.ndarray | None:
        claim = self._file.claims.get(" ".join(explanation.split()))
        if claim is None or claim.rule is None:
            return None
        values = np.zeros(len(sequence))
        values[~sequence.special] = claim.rule(_words(sequence))
        return values

    def _side(self, unit: UnitId) -> KnownUnit | None:
        """The unit, if it fires under this polarity."""
        known = self._unit(unit.site, unit.index)
        return known if unit.polarity in known.sides else None

    def _unit(self, site: str, index: int) -> KnownUnit:
        if site not in self._sites:
            raise SubjectError(
                f"The synthetic subject has no site {site!r}.", known=f"Its sites are {', '.join(self._sites)}."
            )
        units = self._sites[site]
        if not 0 <= index < len(units):
            raise SubjectError(
                f"{site} has no unit {index}.", known=f"It has {len(units)} units, 0 to {len(units) - 1}."
            )
        return units[index]

    def _tokenized(self, document: Document) -> Tokenized:
        """A conversation is written as lines `role: content`; role and colon are special tokens."""
        lines = [f"{message.role}: {message.content}\n" for message in document.messages]
        whole, spans, special = "", [], []
        for line in lines or [document.text]:
            found = [(len(whole) + start, len(whole) + stop) for start, stop in self._spans(line)]
            marks = 2 if lines else 0
            special += [i < marks for i in range(len(found))]
            spans += found
            whole += line
        return Tokenized(
            whole,
            np.array([_token_id(whole[start:stop]) for start, stop in spans], dtype=np.int64),
            np.array(spans, dtype=np.int64).reshape(-1, 2),
            np.array(special, dtype=bool),
        )

    def _spans(self, line: str) -> Iterator[tuple[int, int]]:
        start = 0
        for token in self._sentences.get(line) or tokens_of(line):
            yield start, start + len(token)
            start += len(token)


def tokens_of(text: str) -> list[str]:
    """The synthetic subject's tokens of a text; together they are the text."""
    return _TOKEN.findall(text)


def _token_id(token: str) -> int:
    """From 1 to 2^22: large enough that few words share an id, small enough for a row per id."""
    return 1 + int.from_bytes(hashlib.sha256(token.encode("utf-8")).digest()[:4], "big") % 2**22


def _words(sequence: TokenSequence) -> list[str]:
    tokens = sequence.tokens
    return [tokens[i].strip() for i in np.flatnonzero(~sequence.special)]
