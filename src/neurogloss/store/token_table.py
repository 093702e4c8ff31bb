"""The token table: every token sequence of a collection, stored once, in shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from neurogloss.errors import StoreError
from neurogloss.records.tokens import Split, TokenSequence
from neurogloss.store.array_files import ArrayFile, pack_texts, unpack_text, write_arrays

_SPLITS = tuple(Split)
_SHARD = 50_000
"""Sequences per file: what is held in memory while the table is written."""
_KEPT = 2048
"""Sequences that stay in memory once they are read: with their pieces up to 30 MB."""
_VOCABULARY = "vocabulary.safetensors"


def write_table(
    directory: Path, sequences: Iterable[TokenSequence], ignore_first_tokens: int, shard: int = _SHARD
) -> dict[str, Any]:
    """Writes a table.

    Args:
        directory: Where to.
        sequences: By ascending id.
        ignore_first_tokens: Positions at the start of each sequence that do not count.
        shard: Sequences per file.

    Returns:
        What the manifest must say: `shard`, and per split `documents`, `sequences` and (counted) `tokens`.
    """
    counts = {split.value: {"documents": 0, "sequences": 0, "tokens": 0} for split in Split}
    vocabulary: dict[int, str] = {}
    pending: list[TokenSequence] = []
    n_shards = 0
    last_document = None
    for sequence in sequences:
        counted = sequence.counted(ignore_first_tokens)
        of_split = counts[sequence.split.value]
        of_split["documents"] += sequence.document_id != last_document
        of_split["sequences"] += 1
        of_split["tokens"] += int(counted.sum())
        last_document = sequence.document_id
        if sequence.split is Split.EXPLAIN:
            for position in np.flatnonzero(counted):
                token_id = int(sequence.token_ids[position])
                if token_id not in vocabulary:
                    start, stop = sequence.spans[position]
                    vocabulary[token_id] = sequence.text[start:stop]
        pending.append(sequence)
        if len(pending) == shard:
            _write_shard(directory / _shard_name(n_shards), pending)
            pending, n_shards = [], n_shards + 1
    if pending:
        _write_shard(directory / _shard_name(n_shards), pending)
    token_ids = sorted(vocabulary)
    text, text_starts = pack_texts(vocabulary[token_id] for token_id in token_ids)
    ids = np.array(token_ids, dtype=np.int64)
    write_arrays(directory / _VOCABULARY, {"token_ids": ids, "text": text, "text_starts": text_starts})
    return {"shard": shard, "counts": counts}


class TokenTable:
    """A stored table; sequences are addressed by row.

    Args:
        directory: Where it lies.
        manifest: What `write_table` returned.
    """

    def __init__(self, directory: Path, manifest: Mapping[str, Any]) -> None:
        self._directory = directory
        self._shard: int = manifest["shard"]
        self._open: dict[int, ArrayFile] = {}
        # Many units have records of the same sequences: the random ones, and those on which much fires.
        self.sequence = lru_cache(maxsize=_KEPT)(self._sequence)
        """The sequence at a row."""
        self.counts: Mapping[Split, Mapping[str, int]] = {split: manifest["counts"][split.value] for split in Split}
        """Per split: `documents`, `sequences`, and `tokens`, the counted ones."""

    def __len__(self) -> int:
        return sum(counts["sequences"] for counts in self.counts.values())

    @cached_property
    def ids(self) -> np.ndarray:
        """The sequences' ids, int64 [row], ascending."""
        return self._column("ids").astype(np.int64)

    @cached_property
    def splits(self) -> np.ndarray:
        """The sequences' splits, int64 [row], by their place in `Split`."""
        return self._column("splits").astype(np.int64)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens in each sequence, int64 [row]."""
        starts = [self._file(shard).array("token_starts") for shard in range(self._n_shards)]
        return np.concatenate([np.zeros(0, dtype=np.int64), *map(np.diff, starts)])

    def rows_in(self, split: Split) -> np.ndarray:
        """The rows of a split's sequences, int64, ascending."""
        return np.flatnonzero(self.splits == _SPLITS.index(split))

    @property
    def _n_shards(self) -> int:
        return -(-len(self) // self._shard)

    def _column(self, name: str) -> np.ndarray:
        files = [self._file(shard) for shard in range(self._n_shards)]
        return np.concatenate([np.zeros(0, dtype=np.int8), *(file.array(name) for file in files)])

    def _sequence(self, row: int) -> TokenSequence:
        number, at = divmod(row, self._shard)
        file = self._file(number)
        tokens = slice(*file.array("token_starts")[at : at + 2])
        return TokenSequence(
            int(file.array("ids")[at]),
            unpack_text(file.array("documents"), file.array("document_starts"), at),
            _SPLITS[file.array("splits")[at]],
            unpack_text(file.array("text"), file.array("text_starts"), at),
            file.array("token_ids")[tokens].astype(np.int64),
            file.array("spans")[tokens].astype(np.int64),
            np.array(file.array("special")[tokens]),
        )

    def sequences(self, rows: Iterable[int] | None = None) -> Iterator[TokenSequence]:
        """The sequences at the rows; all, in order, if none are given."""
        return (self.sequence(int(row)) for row in (range(len(self)) if rows is None else rows))

    @cached_property
    def vocabulary(self) -> Mapping[int, str]:
        """Each token id that counts in the explain split, with its text where it first occurs."""
        file = ArrayFile(self._directory / _VOCABULARY)
        text, starts = file.array("text"), file.array("text_starts")
        return {int(token_id): unpack_text(text, starts, i) for i, token_id in enumerate(file.array("token_ids"))}

    def _file(self, shard: int) -> ArrayFile:
        if shard not in self._open:
            self._open[shard] = ArrayFile(self._directory / _shard_name(shard))
        return self._open[shard]


def _shard_name(number: int) -> str:
    return f"sequences-{number:05d}.safetensors"


def _write_shard(path: Path, sequences: list[TokenSequence]) -> None:
    ids = np.array([sequence.id for sequence in sequences], dtype=np.int64)
    if (np.diff(ids) <= 0).any():
        raise StoreError("Token sequences must be stored by ascending id.")
    text, text_starts = pack_texts(sequence.text for sequence in sequences)
    documents, document_starts = pack_texts(sequence.document_id for sequence in sequences)
    arrays: dict[str, np.ndarray] = {
        "ids": ids,
        "splits": np.array([_SPLITS.index(sequence.split) for sequence in sequences], dtype=np.int8),
        "token_starts": np.cumsum([0, *map(len, sequences)], dtype=np.int64),
        "token_ids": np.concatenate([sequence.token_ids for sequence in sequences]).astype(np.int32),
        "spans": np.concatenate([sequence.spans for sequence in sequences]).astype(np.int32),
        "special": np.concatenate([sequence.special for sequence in sequences]),
        "text": text,
        "text_starts": text_starts,
        "documents": documents,
        "document_starts": document_starts,
    }
    write_arrays(path, arrays)
