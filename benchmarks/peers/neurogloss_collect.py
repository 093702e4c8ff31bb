"""neurogloss's collection of all MLP neurons, on tokens that are given."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from neurogloss.interfaces.corpus import Corpus
from neurogloss.pipeline.collection import collect_units
from neurogloss.records.documents import Document
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Split, Tokenized
from neurogloss.records.units import UnitId
from neurogloss.store.activations import ActivationStore
from neurogloss_transformers.configs import TransformersSubjectConfig
from neurogloss_transformers.subject import TransformersSubject


class Given(TransformersSubject, Corpus):
    """A model with its text: a document is one of the sequences of tokens that are given."""

    def __init__(self, folder: str) -> None:
        super().__init__(TransformersSubjectConfig(folder, device="cpu"))
        self.sequences: list[np.ndarray] = []

    def identity(self) -> Mapping[str, str]:
        return {"sequences": str(len(self.sequences))}

    @property
    def bos_token_id(self) -> None:
        return None

    def documents(self) -> Iterator[Document]:
        for number, ids in enumerate(self.sequences):
            yield Document(str(number), f"{number}".ljust(len(ids)))

    def tokenize(self, documents: Sequence[Document]) -> list[Tokenized]:
        return [self._tokenized(document) for document in documents]

    def _tokenized(self, document: Document) -> Tokenized:
        ids = self.sequences[int(document.text)]
        starts = np.arange(len(ids))
        return Tokenized(document.text, ids, np.stack([starts, starts + 1], axis=1), np.zeros(len(ids), dtype=bool))


def collecting(folder: str, *, splits: bool) -> Callable[[list[torch.Tensor]], None]:
    """A pass that collects and writes: the default plan, or one split without a sample by importance."""
    subject = Given(folder)
    units = [UnitId(site.name, i) for site in subject.sites() for i in range(site.n_units)]

    def run(batches: list[torch.Tensor]) -> None:
        subject.sequences = list(torch.cat(batches).numpy())
        plan = CollectionPlan(sequence_length=batches[0].shape[1], max_documents=len(subject.sequences))
        if not splits:
            plan = replace(plan, n_importance=0, split_shares={split: float(split is Split.EXPLAIN) for split in Split})
        with tempfile.TemporaryDirectory() as root:
            collect_units(subject, subject, units, plan, ActivationStore(Path(root)), batch_size=len(batches[0]))

    return run
