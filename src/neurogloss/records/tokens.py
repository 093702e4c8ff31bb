"""Token sequences: documents as the subject reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

import numpy as np


class Split(StrEnum):
    """The part of the corpus a document belongs to, the same for all units."""

    EXPLAIN = "explain"
    CALIBRATION = "calibration"
    VALID = "valid"
    TEST = "test"


@dataclass(frozen=True)
class Tokenized:
    """One text as tokens.

    `spans[i]` are the characters `[start, stop)` of `text` that token `i` covers. Tokens that are
    parts of one character (byte-level tokenizers split emoji so) all cover that character.
    """

    text: str
    token_ids: np.ndarray
    """int64 [pos]"""
    spans: np.ndarray
    """int64 [pos 2]"""
    special: np.ndarray
    """bool [pos]: tokens that stand for no text, such as BOS or a template's marks."""


class Piece(NamedTuple):
    """The smallest run of tokens that covers whole characters: what is shown and asked about."""

    text: str
    start: int
    """First token."""
    stop: int
    """One past the last token."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Which tokens and characters of a sequence each of its pieces holds."""

    shown: np.ndarray
    """int64 [shown]: the tokens that are not special."""
    firsts: np.ndarray
    """int64 [piece]: the place of each piece's first token in `shown`."""
    spans: np.ndarray
    """int64 [piece 2]: the characters of each piece."""

    @classmethod
    def of(cls, spans: np.ndarray, special: np.ndarray) -> Parts:
        """The parts of tokens with these characters [pos 2], of which some are special [pos]."""
        shown = np.flatnonzero(~special)
        solid = spans[shown]
        # A token that begins inside the one right before it is a part of the same character.
        joins = (solid[1:, 0] < solid[:-1, 1]) & (shown[1:] - shown[:-1] == 1)
        if not joins.any():
            return cls(shown, np.arange(len(shown)), solid)
        firsts = np.flatnonzero(np.concatenate([[True], ~joins]))
        return cls(shown, firsts, np.stack([solid[firsts, 0], np.maximum.reduceat(solid[:, 1], firsts)], axis=1))

    @property
    def starts(self) -> np.ndarray:
        """The first token of each piece, int64 [piece]."""
        return np.asarray(self.shown[self.firsts])

    @property
    def stops(self) -> np.ndarray:
        """One past each piece's last token, int64 [piece]."""
        ends = np.append(self.firsts[1:], len(self.shown))[: len(self.firsts)]
        return np.asarray(self.shown[ends - 1] + 1)

    def most(self, values: np.ndarray) -> np.ndarray:
        """The largest of each piece's values, of values [pos]: [piece]."""
        shown: np.ndarray = values[self.shown]
        return np.maximum.reduceat(shown, self.firsts) if len(shown) > len(self.firsts) else shown


@dataclass(frozen=True, eq=False)
class TokenSequence:
    """At most `sequence_length` consecutive tokens of one document."""

    id: int
    """`document ordinal << 20 | part`: the same whichever machine tokenizes the document."""
    document_id: str
    split: Split
    text: str
    """The characters that the tokens cover."""
    token_ids: np.ndarray
    """int64 [pos]"""
    spans: np.ndarray
    """int64 [pos 2]: characters of `text` that each token covers."""
    special: np.ndarray
    """bool [pos]: never explained, never scored."""

    def __len__(self) -> int:
        return len(self.token_ids)

    def counted(self, ignore_first_tokens: int = 0) -> np.ndarray:
        """Which tokens' activations count: all but special ones and the first few, bool [pos]."""
        counted: np.ndarray = ~self.special
        counted[:ignore_first_tokens] = False
        return counted

    @property
    def tokens(self) -> tuple[str, ...]:
        """The characters of each token [pos]; parts of one character each show it whole."""
        return tuple(self.text[a:b] for a, b in self.spans.tolist())

    def token(self, position: int) -> str:
        """The characters of one token."""
        start, stop = self.spans[position].tolist()
        return self.text[start:stop]

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The sequence without its special tokens, in whole characters."""
        texts = [self.text[begin:end] for begin, end in self.parts.spans.tolist()]
        return tuple(map(Piece, texts, self.parts.starts.tolist(), self.parts.stops.tolist()))

    @cached_property
    def parts(self) -> Parts:
        """The pieces' tokens and characters."""
        return Parts.of(self.spans, self.special)

    def window(self, start: int, stop: int) -> TokenSequence:
        """The tokens from `start` to before `stop`, with the characters that they cover."""
        spans, special = self.spans[start:stop], self.special[start:stop]
        parts = Parts.of(spans, special)
        first, last = (int(parts.spans[0, 0]), int(parts.spans[:, 1].max())) if len(parts.spans) else (0, 0)
        window = TokenSequence(
            self.id,
            self.document_id,
            self.split,
            self.text[first:last],
            self.token_ids[start:stop],
            np.minimum(np.maximum(spans - first, 0), last - first),
            special,
        )
        window.__dict__["parts"] = Parts(parts.shown, parts.firsts, parts.spans - first)  # need not be found again
        return window

    def per_token(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Spreads values [piece ...] over the pieces' tokens [pos ...]; NaN at special tokens."""
        given = np.asarray(values, dtype=np.float64)
        if len(given) != len(self.pieces):
            raise ValueError(f"{len(given)} values for {len(self.pieces)} pieces")
        out = np.full((len(self), *given.shape[1:]), np.nan)
        out[~self.special] = np.repeat(given, [piece.stop - piece.start for piece in self.pieces], axis=0)
        return out


@dataclass(frozen=True, eq=False)
class Batch:
    """Sequences that go through the subject together, padded on the right."""

    sequences: tuple[TokenSequence, ...]
    token_ids: np.ndarray
    """int64 [seq pos]; 0 in the padding."""
    attended: np.ndarray
    """bool [seq pos]: real tokens, special ones included."""
    counted: np.ndarray
    """bool [seq pos]: tokens whose activations count (not padding, special or ignored)."""

    @classmethod
    def of(cls, sequences: Iterable[TokenSequence], ignore_first_tokens: int = 0) -> Batch:
        """Pads the sequences; the first `ignore_first_tokens` of each do not count."""
        chosen = tuple(sequences)
        shape = (len(chosen), max(map(len, chosen)))
        token_ids = np.zeros(shape, dtype=np.int64)
        attended = np.zeros(shape, dtype=bool)
        counted = np.zeros(shape, dtype=bool)
        for row, sequence in enumerate(chosen):
            token_ids[row, : len(sequence)] = sequence.token_ids
            attended[row, : len(sequence)] = True
            counted[row, : len(sequence)] = sequence.counted(ignore_first_tokens)
        return cls(chosen, token_ids, attended, counted)

    def rows(self, first: int, end: int) -> Batch:
        """The sequences from one place to before another, as wide as all."""
        if (first, end) == (0, len(self.sequences)):
            return self
        part = slice(first, end)
        return Batch(self.sequences[part], self.token_ids[part], self.attended[part], self.counted[part])
