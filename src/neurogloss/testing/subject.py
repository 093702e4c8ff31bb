"""The contract of a subject."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from neurogloss.errors import SubjectError
from neurogloss.interfaces.subject import SubjectModel
from neurogloss.records.documents import Document
from neurogloss.records.plans import CollectionPlan, UnitSelection
from neurogloss.records.tokens import Batch, Split, Tokenized, TokenSequence
from neurogloss.records.units import UnitId
from neurogloss.reducers.draws import SequenceDraws
from neurogloss.reducers.site_reducer import SiteReducer
from neurogloss.reducers.unit_reducer import UnitReducer
from neurogloss.testing.contract import Contract, check_identity, override_fixture

_TEXTS = (
    "The old miller waits by the river until the boats come in, and then he sings.",
    "A cat sleeps.",
    "Café crème, 猫在睡觉 and a 🐈 by the harbour.",
    "Numbers 1 2 3, (brackets) and a line\nbreak.",
)


class SubjectContract(Contract):
    """What every subject does.

    ```
    class TestMine(SubjectContract):
        @pytest.fixture(scope="class")
        def subject(self):
            return MySubject(MyConfig(model=...))
    ```
    """

    @pytest.fixture
    def subject(self) -> SubjectModel:
        """The subject."""
        override_fixture("SubjectContract", "subject")

    @pytest.fixture
    def documents(self) -> list[Document]:
        """Plain documents of different lengths that the subject can read."""
        return [Document(f"document-{n}", text) for n, text in enumerate(_TEXTS)]

    @pytest.fixture
    def tolerance(self) -> float:
        """By how much padding, batch size and order may change a value."""
        return 1e-4

    def test_identity_is_portable(self, subject: SubjectModel) -> None:
        check_identity(subject.identity())
        assert dict(subject.identity()) == dict(subject.identity())

    def test_sites_are_unique(self, subject: SubjectModel) -> None:
        sites = subject.sites()
        assert sites
        assert len({site.name for site in sites}) == len(sites)
        assert all(site.n_units > 0 for site in sites)
        assert subject.sites() == sites

    def test_tokens_have_ids_spans_and_marks(self, subject: SubjectModel, documents: list[Document]) -> None:
        tokenized = subject.tokenize(documents)
        assert len(tokenized) == len(documents)
        for document, tokens in zip(documents, tokenized, strict=True):
            assert tokens.text == document.text
            n = len(tokens.token_ids)
            assert n > 0
            for array, dtype, shape in (
                (tokens.token_ids, np.int64, (n,)),
                (tokens.spans, np.int64, (n, 2)),
                (tokens.special, np.bool_, (n,)),
            ):
                assert array.dtype == dtype
                assert array.shape == shape

    def test_spans_cover_the_text_in_order(self, subject: SubjectModel, documents: list[Document]) -> None:
        for tokens in subject.tokenize(documents):
            spans = tokens.spans[~tokens.special]
            assert (spans[:, 0] <= spans[:, 1]).all()
            assert (spans >= 0).all()
            assert (spans <= len(tokens.text)).all()
            assert (np.diff(spans, axis=0) >= 0).all(), "tokens stand in the order of the text"
            covered = {place for start, stop in spans for place in range(start, stop)}
            missing = [c for i, c in enumerate(tokens.text) if i not in covered and not c.isspace()]
            assert not missing, f"no token covers {missing}"

    def test_tokens_come_without_bos(self, subject: SubjectModel, documents: list[Document]) -> None:
        for tokens in subject.tokenize(documents):
            assert subject.bos_token_id is None or tokens.token_ids[0] != subject.bos_token_id

    def test_documents_are_tokenized_alone(self, subject: SubjectModel, documents: list[Document]) -> None:
        together = subject.tokenize(documents)
        for document, expected in zip(documents, together, strict=True):
            (alone,) = subject.tokenize([document])
            np.testing.assert_array_equal(alone.token_ids, expected.token_ids)
            np.testing.assert_array_equal(alone.spans, expected.spans)

    def test_activations_have_a_value_per_token_and_unit(
        self, subject: SubjectModel, documents: list[Document]
    ) -> None:
        batch = Batch.of(_sequences(subject, documents))
        wanted = {site.name: np.arange(min(3, site.n_units)) for site in subject.sites()}
        found = subject.activations(batch, wanted)
        assert set(found) == set(wanted)
        for name, indices in wanted.items():
            assert found[name].shape == (*batch.token_ids.shape, len(indices))
            assert found[name].dtype == np.float32
            assert np.isfinite(found[name][batch.attended]).all()

    def test_running_twice_gives_the_same(
        self, subject: SubjectModel, documents: list[Document], tolerance: float
    ) -> None:
        sequences = _sequences(subject, documents)
        _assert_close(_values(subject, sequences), _values(subject, sequences), tolerance)

    def test_padding_and_batch_size_change_nothing(
        self, subject: SubjectModel, documents: list[Document], tolerance: float
    ) -> None:
        sequences = _sequences(subject, documents)
        alone = [values for sequence in sequences for values in _values(subject, [sequence])]
        _assert_close(alone, _values(subject, sequences), tolerance)

    def test_order_changes_nothing(self, subject: SubjectModel, documents: list[Document], tolerance: float) -> None:
        sequences = _sequences(subject, documents)
        _assert_close(_values(subject, sequences[::-1])[::-1], _values(subject, sequences), tolerance)

    def test_units_come_in_the_order_asked(
        self, subject: SubjectModel, documents: list[Document], tolerance: float
    ) -> None:
        batch = Batch.of(_sequences(subject, documents))
        for site in subject.sites():
            whole = subject.activations(batch, {site.name: np.arange(site.n_units)})[site.name]
            picked = np.array([site.n_units - 1, 0])
            some = subject.activations(batch, {site.name: picked})[site.name]
            np.testing.assert_allclose(
                some[batch.attended], whole[batch.attended][:, picked], atol=tolerance, rtol=0, err_msg=site.name
            )

    @pytest.mark.parametrize("token_sums", [True, False])
    def test_collecting_keeps_what_the_activations_say(
        self, token_sums: bool, subject: SubjectModel, documents: list[Document], tolerance: float
    ) -> None:
        sequences = _sequences(subject, documents)
        batches = [Batch.of(sequences[:2]), Batch.of(sequences[2:])]
        first = subject.sites()[0]
        selection = UnitSelection((UnitId(first.name, 0), UnitId(first.name, first.n_units - 1, "-")))
        plan = CollectionPlan(sequence_length=max(map(len, sequences)), top_k=3)
        draws = SequenceDraws(np.array([s.id for s in sequences]), np.zeros(len(sequences), dtype=np.int64), plan)
        found, expected = (UnitReducer(selection, draws, token_sums=token_sums) for _ in range(2))
        subject.collect(batches, found)
        SubjectModel.collect(subject, batches, expected)
        ours, theirs = (_kept(reducer.sites[first.name]) for reducer in (found, expected))
        for name, array in theirs.items():
            np.testing.assert_allclose(ours[name], array, atol=tolerance, rtol=1e-3, err_msg=name)

    def test_an_unknown_site_is_an_error(self, subject: SubjectModel, documents: list[Document]) -> None:
        with pytest.raises(SubjectError):
            subject.activations(Batch.of(_sequences(subject, documents)), {"no.such.site": np.array([0])})

    def test_an_unknown_unit_is_an_error(self, subject: SubjectModel, documents: list[Document]) -> None:
        site = subject.sites()[0]
        for index in (site.n_units, -1):
            with pytest.raises(SubjectError):
                subject.activations(Batch.of(_sequences(subject, documents)), {site.name: np.array([index])})


def _kept(part: SiteReducer) -> dict[str, np.ndarray]:
    """Statistics, token sums, and the values of all that is kept of sequences."""
    sums = part.token_sums.arrays() if part.token_sums else {}
    samples = part.samples().items()
    return {
        **part.statistics(),
        **sums,
        **{f"{name} values": part.rows.values(kept.addresses, kept.exponents) for name, kept in samples},
    }


def _sequences(subject: SubjectModel, documents: Sequence[Document]) -> list[TokenSequence]:
    tokenized = subject.tokenize(documents)
    return [_sequence(subject, n, document, tokenized[n]) for n, document in enumerate(documents)]


def _sequence(subject: SubjectModel, n: int, document: Document, tokens: Tokenized) -> TokenSequence:
    bos = [] if subject.bos_token_id is None else [subject.bos_token_id]
    return TokenSequence(
        id=n << 20,
        document_id=document.id,
        split=Split.EXPLAIN,
        text=tokens.text,
        token_ids=np.concatenate([np.array(bos, dtype=np.int64), tokens.token_ids]),
        spans=np.concatenate([np.zeros((len(bos), 2), dtype=np.int64), tokens.spans]),
        special=np.concatenate([np.ones(len(bos), dtype=bool), tokens.special]),
    )


def _values(subject: SubjectModel, sequences: Sequence[TokenSequence]) -> list[np.ndarray]:
    """For each sequence, the values of up to three units of every site [pos unit]."""
    batch = Batch.of(sequences)
    found = subject.activations(batch, {site.name: np.arange(min(3, site.n_units)) for site in subject.sites()})
    together = np.concatenate([found[site.name] for site in subject.sites()], axis=2)
    return [together[row, : len(sequence)] for row, sequence in enumerate(sequences)]


def _assert_close(found: Sequence[np.ndarray], expected: Sequence[np.ndarray], tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance, rtol=0)
