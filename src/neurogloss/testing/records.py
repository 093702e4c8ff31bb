"""Small records for tests: sequences, activation records and unit records whose rule is known.

The units made here fire on words: the value at a token is the weight of its word, and 0 elsewhere.
Every split holds its own documents.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from neurogloss.records.activations import ActivationRecord
from neurogloss.records.explanations import ProseExplanation, Provenance, TokenTableExplanation
from neurogloss.records.tokens import Split, TokenSequence
from neurogloss.records.unit_records import Neighbour, SplitRecords, TokenMeans, UnitRecord, UnitStatistics
from neurogloss.records.units import UnitId

WEIGHTS: Mapping[str, float] = {"cat": 4.0, "dog": 2.0, "🐈": 3.0}
"""The rule of the unit that `unit_record` makes by default."""

_WHO = ("cat", "miller", "dog", "painter", "heron", "cat", "widow", "dog")
_DOES = ("sleeps", "waits", "looks", "sings")
_WHERE = ("barn", "river", "market", "orchard", "harbour", "chapel")
_PER_SPLIT = 12
_TOKEN = re.compile(r"\s*(?:\w+|\S)")


def token_sequence(
    tokens: Sequence[str], *, id: int = 0, split: Split = Split.EXPLAIN, bos: bool = True, halved: str = "🐈"
) -> TokenSequence:
    """A sequence of the given tokens, each its own text, after one special token.

    Args:
        tokens: The texts; a token of the text `halved` becomes two that share its characters.
        id: The sequence's id; its document is named after it.
        split: Where the document belongs.
        bos: Whether a special token without text comes first.
        halved: A text whose token is split in two, as byte-level tokenizers do with emoji.
    """
    text, spans, ids = "", [], []
    if bos:
        spans.append((0, 0))
        ids.append(token_id(""))
    for token in tokens:
        start, text = len(text), text + token
        for part in range(2 if token.strip() == halved else 1):
            spans.append((start, len(text)))
            ids.append(token_id(token) + part)
    special = np.zeros(len(ids), dtype=bool)
    special[: int(bos)] = True
    return TokenSequence(
        id=id,
        document_id=f"document-{id}",
        split=split,
        text=text,
        token_ids=np.array(ids, dtype=np.int64),
        spans=np.array(spans, dtype=np.int64).reshape(-1, 2),
        special=special,
    )


def token_id(token: str) -> int:
    """The id that these records give to a token: 0 for the special one, else a hash of its text."""
    return 1 + zlib.crc32(token.encode()) % 50_000 if token else 0


def activation_record(sequence: TokenSequence, weights: Mapping[str, float] = WEIGHTS) -> ActivationRecord:
    """The sequence with the value of each token's word."""
    values = [weights.get(token.strip(), 0.0) for token in sequence.tokens]
    return ActivationRecord(sequence, np.array(values, dtype=np.float32), ~sequence.special)


def sequences(split: Split = Split.EXPLAIN) -> tuple[TokenSequence, ...]:
    """The twelve sequences of a split, in which words, emoji and Chinese occur."""
    first = list(Split).index(split) * _PER_SPLIT
    made = []
    for n in range(first, first + _PER_SPLIT):
        who, does, where = _WHO[n % len(_WHO)], _DOES[n % len(_DOES)], _WHERE[n * 5 % len(_WHERE)]
        tail = (" 🐈", " 猫", " é", " .")[n % 3 if n % 4 == 0 else 3]
        made.append(token_sequence(["The", f" {who}", f" {does}", " by", " the", f" {where}", tail], id=n, split=split))
    return tuple(made)


def unit_record(weights: Mapping[str, float] = WEIGHTS, unit: str = "layers.0.mlp/0") -> UnitRecord:
    """Everything known of a unit that fires on the words in `weights`; without weights it is dead."""
    splits = {split: _split_records([activation_record(s, weights) for s in sequences(split)]) for split in Split}
    records = [activation_record(s, weights) for split in Split for s in sequences(split)]
    explained = [activation_record(s, weights) for s in sequences(Split.EXPLAIN)]
    means, vocabulary = _token_means(explained)
    return UnitRecord(UnitId.parse(unit), _statistics(records), splits, means, vocabulary, WordSurroundings(weights))


class WordSurroundings:
    """The `Surroundings` of a unit that fires on words: its neighbours fire on other words, one each.

    Args:
        weights: The unit's words.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights

    def neighbours(self, unit: UnitId, split: Split, n: int) -> tuple[Neighbour, ...]:
        """See `Surroundings.neighbours`."""
        words = [word for word in dict.fromkeys(_WHO) if word not in self._weights][:n]
        records = [unit_record({word: 1.0}, f"layers.1.mlp/{i}") for i, word in enumerate(words)]
        return tuple(Neighbour(record.view(split), 0.5 - 0.1 * i) for i, record in enumerate(records))

    def pool(self, split: Split, n: int) -> tuple[TokenSequence, ...]:
        """See `Surroundings.pool`."""
        return sequences(split)[:n]

    def values(self, unit: UnitId, sequences: Sequence[TokenSequence]) -> tuple[ActivationRecord, ...]:
        """See `Surroundings.values`."""
        return tuple(activation_record(sequence, self._weights) for sequence in sequences)

    def written(self, unit: UnitId, split: Split, texts: Sequence[str]) -> tuple[ActivationRecord | None, ...]:
        """See `Surroundings.written`."""
        read = [token_sequence(_TOKEN.findall(text), id=-1 - i, split=split) for i, text in enumerate(texts)]
        return tuple(activation_record(each, self._weights) if each.text else None for each in read)


def dead_unit_record() -> UnitRecord:
    """A unit that never fires."""
    return unit_record({}, "layers.0.mlp/1")


def constant_unit_record(value: float = 1.5) -> UnitRecord:
    """A unit with the same value, above 0, at every token that counts."""
    words = {token.strip() for split in Split for s in sequences(split) for token in s.tokens if token}
    return unit_record(dict.fromkeys(words, value), "layers.0.mlp/2")


def empty_unit_record() -> UnitRecord:
    """A unit of which no split has a record."""
    return UnitRecord(UnitId.parse("layers.0.mlp/3"), unit_record().statistics, {})


def prose_explanation(text: str = "the words cat and dog") -> ProseExplanation:
    """Prose that fits the default unit."""
    return ProseExplanation(Provenance("testing"), text)


def token_table_explanation(weights: Mapping[str, float] = WEIGHTS) -> TokenTableExplanation:
    """The table of the tokens in `sequences`, right for a unit with these weights."""
    texts = {int(i): t for split in Split for s in sequences(split) for i, t in zip(s.token_ids, s.tokens, strict=True)}
    ids = sorted(texts)
    return TokenTableExplanation(
        Provenance("testing"),
        np.array(ids, dtype=np.int64),
        tuple(texts[i] for i in ids),
        np.array([weights.get(texts[i].strip(), 0.0) for i in ids]),
    )


def _split_records(records: Sequence[ActivationRecord]) -> SplitRecords:
    by_maximum = sorted(records, key=lambda record: (-record.maximum, record.sequence.id))
    return SplitRecords(
        top=tuple(by_maximum[:5]),
        random=tuple(records[1::2]),
        quantile={"0-0.5": tuple(by_maximum[-2:]), "0.5-0.9": tuple(by_maximum[2:4])},
        importance=tuple(by_maximum[:2]),
    )


def _statistics(records: Sequence[ActivationRecord]) -> UnitStatistics:
    values = np.concatenate([record.values[record.counted] for record in records]).astype(np.float64)
    centred = values - values.mean()
    variance = float((centred**2).mean())
    peaks = Counter(record.sequence.tokens[record.peak] for record in records if record.maximum > 0)
    return UnitStatistics(
        n_tokens=len(values),
        n_sequences=len(records),
        mean=float(values.mean()),
        variance=variance,
        skewness=float((centred**3).mean() / variance**1.5) if variance else 0.0,
        kurtosis=float((centred**4).mean() / variance**2 - 3) if variance else 0.0,
        minimum=float(values.min()),
        maximum=float(values.max()),
        firing_fraction=float((values > 0).mean()),
        first_position_share=0.0,
        quantiles={"0.5": float(np.median([record.maximum for record in records]))},
        quantile_error=0.0,
        top_tokens=tuple(token for token, _ in peaks.most_common()),
    )


def _token_means(records: Sequence[ActivationRecord]) -> tuple[TokenMeans, dict[int, str]]:
    sums: Counter[int] = Counter()
    counts: Counter[int] = Counter()
    vocabulary: dict[int, str] = {}
    for record in records:
        for i in np.flatnonzero(record.counted):
            token = int(record.sequence.token_ids[i])
            sums[token] += float(record.values[i])  # type: ignore[assignment]
            counts[token] += 1
            vocabulary[token] = record.sequence.tokens[i]
    ids = sorted(counts)
    means = TokenMeans(
        np.array(ids, dtype=np.int64),
        np.array([sums[i] for i in ids], dtype=np.float64),
        np.array([counts[i] for i in ids], dtype=np.int64),
    )
    return means, vocabulary
