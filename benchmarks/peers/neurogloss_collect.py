"""neurogloss's collection of all MLP neurons, on tokens that are given."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batches import Batches

from neurogloss.interfaces.corpus import Corpus
from neurogloss.pipeline.collection import collect_units
from neurogloss.records.documents import Document
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Batch, Split, Tokenized
from neurogloss.records.units import UnitId
from neurogloss.reducers.unit_reducer import UnitReducer
from neurogloss.store.activations import ActivationStore
from neurogloss_transformers.configs import TransformersSubjectConfig
from neurogloss_transformers.subject import TransformersSubject


class Given(TransformersSubject, Corpus):
    """A model with its text, in which a document is one sequence of the tokens that are given.

    Each batch runs bare just before it is collected from.
    """

    given: Batches

    def __init__(self, model: Any, folder: str) -> None:
        super().__init__(TransformersSubjectConfig(folder, device="cpu"))
        self._model = model

    def collect(self, batches: Iterable[Batch], reducer: UnitReducer) -> None:
        super().collect(self._after_bare(batches), reducer)

    def _after_bare(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            self.given.run_bare(torch.from_numpy(batch.token_ids))
            yield batch

    def identity(self) -> Mapping[str, str]:
        return {"sequences": str(len(self.given.tokens))}

    @property
    def bos_token_id(self) -> None:
        return None

    def documents(self) -> Iterator[Document]:
        for number, ids in enumerate(self.given.tokens):
            yield Document(str(number), f"{number}".ljust(len(ids)))

    def tokenize(self, documents: Sequence[Document]) -> list[Tokenized]:
        return [self._tokenized(document) for document in documents]

    def _tokenized(self, document: Document) -> Tokenized:
        ids = self.given.tokens[int(document.text)].numpy()
        starts = np.arange(len(ids))
        return Tokenized(document.text, ids, np.stack([starts, starts + 1], axis=1), np.zeros(len(ids), dtype=bool))


def collecting(model: Any, folder: str, *, splits: bool) -> Callable[[Batches], None]:
    """A pass that collects and writes: the default plan, or one split without a sample by importance."""
    subject = Given(model, folder)
    units = [UnitId(site.name, i) for site in subject.sites() for i in range(site.n_units)]

    def run(given: Batches) -> None:
        subject.given = given
        plan = CollectionPlan(sequence_length=given.tokens.shape[1], max_documents=len(given.tokens))
        if not splits:
            plan = replace(plan, n_importance=0, split_shares={split: float(split is Split.EXPLAIN) for split in Split})
        with tempfile.TemporaryDirectory() as root:
            collect_units(subject, subject, units, plan, ActivationStore(Path(root)), batch_size=given.size)

    return run
