"""Token sequences and batches: the corpus as the subject reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from neurogloss.errors import ConfigError, CorpusError
from neurogloss.interfaces.corpus import Corpus
from neurogloss.interfaces.subject import SubjectModel
from neurogloss.pipeline.splits import split_of
from neurogloss.records.documents import Document
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Batch, Split, Tokenized, TokenSequence

_CHUNK = 64
"""Documents tokenized at once: a fast tokenizer works on them in parallel."""

_PART_BITS = 20


def token_sequences(subject: SubjectModel, corpus: Corpus, plan: CollectionPlan) -> Iterator[TokenSequence]:
    """Cuts the corpus into sequences, in the order of its documents.

    A sequence holds at most `plan.sequence_length` tokens, BOS included, of one document; a document's
    last one may be shorter. A sequence of special tokens alone is dropped.

    Raises:
        CorpusError: Two documents share an id, or the corpus has no document or no token.
        ConfigError: `sequence_length` leaves no room for a token.
    """
    room = plan.sequence_length - (subject.bos_token_id is not None)
    if room < 1:
        raise ConfigError(
            f"sequence_length={plan.sequence_length} leaves no room for a token.",
            remedy="Set sequence_length to at least 2; 64 is the default.",
        )
    n_documents = n_sequences = 0
    documents = islice(_distinct(corpus.documents()), plan.max_documents)
    while chunk := list(islice(documents, _CHUNK)):
        for document, tokenized in zip(chunk, subject.tokenize(chunk), strict=True):
            split = split_of(document.id, plan)
            first_id = n_documents << _PART_BITS
            for sequence in _parts(document.id, split, tokenized, room, subject.bos_token_id, first_id):
                n_sequences += 1
                yield sequence
            n_documents += 1
    if n_sequences == 0:
        raise CorpusError(
            "The corpus is empty: it holds no document." if n_documents == 0 else "The corpus holds no text.",
            known=f"{n_documents} documents were read; none gave the subject a token to be explained at.",
            remedy="Check the corpus' paths, filters and text field, and max_documents.",
        )


def document_starts(ids: np.ndarray) -> np.ndarray:
    """Where each document begins among sequence ids in order, and after the last where all end: int64 [document]."""
    changes = np.flatnonzero(np.diff(ids >> _PART_BITS)) + 1
    return np.concatenate([[0], changes, [len(ids)]])


def written_sequences(
    subject: SubjectModel, texts: Sequence[str], split: Split, sequence_length: int
) -> Iterator[TokenSequence | None]:
    """The beginning of each text as one sequence, in order; `None` where the subject reads no token.

    Args:
        subject: What reads them.
        texts: Texts of no corpus; their sequences' ids are below 0.
        split: What they count to.
        sequence_length: The most tokens of a sequence, BOS included.
    """
    documents = [Document(f"written {i}", text) for i, text in enumerate(texts)]
    bos = subject.bos_token_id
    room = max(1, sequence_length - (bos is not None))
    for i, (document, tokenized) in enumerate(zip(documents, subject.tokenize(documents), strict=True)):
        yield next(_parts(document.id, split, tokenized, room, bos, -1 - i), None)


def batches(sequences: Iterable[TokenSequence], batch_size: int, ignore_first_tokens: int = 0) -> Iterator[Batch]:
    """Groups sequences, in their order, into batches of `batch_size` (the last may be smaller)."""
    iterator = iter(sequences)
    while chunk := list(islice(iterator, batch_size)):
        yield Batch.of(chunk, ignore_first_tokens)


def _distinct(documents: Iterable[Document]) -> Iterator[Document]:
    seen: set[str] = set()
    for document in documents:
        if document.id in seen:
            raise CorpusError(
                f"Two documents of the corpus have the id {document.id!r}.",
                known="A document's id decides its split, so each needs its own.",
                remedy="Give every document an id of its own, or leave out the id field.",
            )
        seen.add(document.id)
        yield document


def _parts(
    document_id: str, split: Split, tokenized: Tokenized, room: int, bos: int | None, first_id: int
) -> Iterator[TokenSequence]:
    start = part = 0
    while start < len(tokenized.token_ids):
        stop = _cut(tokenized, start, start + room)
        if not tokenized.special[start:stop].all():
            if part >> _PART_BITS:
                raise CorpusError(
                    f"The document {document_id!r} is too long: it has more than {1 << _PART_BITS} sequences.",
                    remedy="Split it into several documents, or raise sequence_length.",
                )
            yield _sequence(first_id | part, document_id, split, tokenized, slice(start, stop), bos)
            part += 1
        start = stop


def _cut(tokenized: Tokenized, start: int, stop: int) -> int:
    """Where a part ends: at `stop`, or before the character that `stop` would cut through."""
    if stop >= len(tokenized.token_ids):
        return len(tokenized.token_ids)
    cut = stop
    while cut > start and _one_character(tokenized, cut):
        cut -= 1
    # A character of more tokens than a sequence holds must be cut somewhere.
    return cut if cut > start else stop


def _one_character(tokenized: Tokenized, index: int) -> bool:
    """Whether the tokens before and at `index` are parts of one character."""
    either_special = tokenized.special[index - 1 : index + 1].any()
    return not either_special and bool(tokenized.spans[index][0] < tokenized.spans[index - 1][1])


def _sequence(
    sequence_id: int, document_id: str, split: Split, tokenized: Tokenized, tokens: slice, bos: int | None
) -> TokenSequence:
    token_ids, spans, special = tokenized.token_ids[tokens], tokenized.spans[tokens], tokenized.special[tokens]
    solid = spans[~special]
    first, last = int(solid[:, 0].min()), int(solid[:, 1].max())
    spans = np.where(special[:, None], 0, spans - first)
    if bos is not None:
        token_ids = np.concatenate([[bos], token_ids])
        spans = np.concatenate([[[0, 0]], spans])
        special = np.concatenate([[True], special])
    return TokenSequence(
        sequence_id,
        document_id,
        split,
        tokenized.text[first:last],
        token_ids.astype(np.int64),
        spans.astype(np.int64),
        special.astype(bool),
    )
