"""The suites of corpora, subjects and language models refuse components that are wrong on purpose."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.errors import PermanentError
from neurogloss.interfaces.corpus import Corpus
from neurogloss.interfaces.subject import SubjectModel
from neurogloss.records.documents import Document, Message
from neurogloss.records.requests import ChoiceReply, ChoiceRequest, Completion, GenerateReply, GenerateRequest, Usage
from neurogloss.records.tokens import Batch, Tokenized
from neurogloss.records.units import Site
from neurogloss.reducers.unit_reducer import UnitReducer
from neurogloss.testing import CorpusContract, LanguageModelContract, SubjectContract
from neurogloss.testing.fakes import FailingLanguageModel, FakeLanguageModel

Rejects = Callable[..., set[str]]


class GoodCorpus(Corpus):
    def identity(self) -> Mapping[str, str]:
        return {"name": "good"}

    def documents(self) -> Iterator[Document]:
        yield from (Document("a", "one"), Document("b", "", (Message("user", "two"),)))


class EmptyCorpus(GoodCorpus):
    def documents(self) -> Iterator[Document]:
        return iter(())


class ListCorpus(GoodCorpus):
    def documents(self) -> Any:
        return list(super().documents())


class RepeatedIds(GoodCorpus):
    def documents(self) -> Iterator[Document]:
        yield from (Document("a", "one"), Document("a", "two"))


class CountedIds(GoodCorpus):
    counter = itertools.count()

    def documents(self) -> Iterator[Document]:
        yield from (Document(str(next(self.counter)), "one"), Document(str(next(self.counter)), "two"))


class TextAndConversation(GoodCorpus):
    def documents(self) -> Iterator[Document]:
        yield Document("a", "one", (Message("user", "two"),))


class LoneSurrogate(GoodCorpus):
    def documents(self) -> Iterator[Document]:
        yield Document("a", "\ud800")


class SharedPlace(GoodCorpus):
    def __init__(self) -> None:
        self._documents = super().documents()

    def documents(self) -> Iterator[Document]:
        return self._documents


class PathInIdentity(GoodCorpus):
    def identity(self) -> Mapping[str, str]:
        return {"files": str(Path.cwd() / "texts")}


class IdentityThatCounts(GoodCorpus):
    def __init__(self) -> None:
        self._n = 0

    def identity(self) -> Mapping[str, str]:
        return {"n": str(self._n)}

    def documents(self) -> Iterator[Document]:
        self._n += 1
        return super().documents()


def test_a_good_corpus_passes(failing_tests: Rejects) -> None:
    assert failing_tests(CorpusContract, corpus=GoodCorpus) == set()


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (EmptyCorpus, "test_documents_are_yielded"),
        (ListCorpus, "test_documents_are_yielded"),
        (RepeatedIds, "test_ids_are_unique"),
        (CountedIds, "test_iterating_twice_gives_the_same"),
        (TextAndConversation, "test_a_document_is_text_or_conversation"),
        (LoneSurrogate, "test_text_can_be_written_as_utf8"),
        (SharedPlace, "test_iterators_do_not_share_their_place"),
        (PathInIdentity, "test_identity_is_portable"),
        (IdentityThatCounts, "test_identity_stays"),
    ],
)
def test_wrong_corpora_are_refused(failing_tests: Rejects, wrong: type[Corpus], test: str) -> None:
    assert test in failing_tests(CorpusContract, test, corpus=wrong)


class Subject(SyntheticSubject):
    def __init__(self) -> None:
        super().__init__(SyntheticConfig(bos=True))


class EmptyIdentity(Subject):
    def identity(self) -> Mapping[str, str]:
        return {}


class RepeatedSites(Subject):
    def sites(self) -> tuple[Site, ...]:
        return super().sites() * 2


class ShiftedSpans(Subject):
    def tokenize(self, documents: Sequence[Document]) -> list[Tokenized]:
        return [replace(tokens, spans=tokens.spans + 1) for tokens in super().tokenize(documents)]


class ListsAsArrays(Subject):
    def tokenize(self, documents: Sequence[Document]) -> list[Tokenized]:
        return [replace(tokens, token_ids=tokens.token_ids.astype(np.int32)) for tokens in super().tokenize(documents)]


class AddsBos(Subject):
    def tokenize(self, documents: Sequence[Document]) -> list[Tokenized]:
        return [
            Tokenized(
                tokens.text,
                np.concatenate([[self.bos_token_id], tokens.token_ids]),
                np.concatenate([np.zeros((1, 2), dtype=np.int64), tokens.spans]),
                np.concatenate([[True], tokens.special]),
            )
            for tokens in super().tokenize(documents)
        ]


class DoublePrecision(Subject):
    def activations(self, batch: Batch, wanted: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        return {site: values.astype(np.float64) for site, values in super().activations(batch, wanted).items()}


class ReadsThePadding(Subject):
    def activations(self, batch: Batch, wanted: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        return {site: values + values.shape[1] for site, values in super().activations(batch, wanted).items()}


class ReadsTheOrder(Subject):
    def activations(self, batch: Batch, wanted: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        place = np.arange(len(batch.sequences), dtype=np.float32)[:, None, None]
        return {site: values + place for site, values in super().activations(batch, wanted).items()}


class SortsTheUnits(Subject):
    def activations(self, batch: Batch, wanted: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        return super().activations(batch, {site: np.sort(indices) for site, indices in wanted.items()})


class Drifting(Subject):
    calls = 0

    def activations(self, batch: Batch, wanted: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        self.calls += 1
        drift = np.float32(self.calls)
        return {site: values + drift for site, values in super().activations(batch, wanted).items()}


class SilentAboutSites(Subject):
    def activations(self, batch: Batch, wanted: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        known = {site.name for site in self.sites()}
        return super().activations(batch, {site: indices for site, indices in wanted.items() if site in known})


class WrapsTheIndex(Subject):
    def activations(self, batch: Batch, wanted: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        sizes = {site.name: site.n_units for site in self.sites()}
        return super().activations(batch, {site: i % sizes[site] if site in sizes else i for site, i in wanted.items()})


class CollectsHalf(Subject):
    def collect(self, batches: Any, reducer: UnitReducer) -> None:
        SubjectModel.collect(self, list(batches)[:1], reducer)


def test_a_good_subject_passes(failing_tests: Rejects) -> None:
    assert failing_tests(SubjectContract, subject=Subject) == set()


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (EmptyIdentity, "test_identity_is_portable"),
        (RepeatedSites, "test_sites_are_unique"),
        (ShiftedSpans, "test_spans_cover_the_text_in_order"),
        (ListsAsArrays, "test_tokens_have_ids_spans_and_marks"),
        (AddsBos, "test_tokens_come_without_bos"),
        (DoublePrecision, "test_activations_have_a_value_per_token_and_unit"),
        (ReadsThePadding, "test_padding_and_batch_size_change_nothing"),
        (ReadsTheOrder, "test_order_changes_nothing"),
        (SortsTheUnits, "test_units_come_in_the_order_asked"),
        (Drifting, "test_running_twice_gives_the_same"),
        (SilentAboutSites, "test_an_unknown_site_is_an_error"),
        (WrapsTheIndex, "test_an_unknown_unit_is_an_error"),
        (CollectsHalf, "test_collecting_keeps_what_the_activations_say"),
    ],
)
def test_wrong_subjects_are_refused(failing_tests: Rejects, wrong: type[SubjectModel], test: str) -> None:
    assert test in failing_tests(SubjectContract, test, subject=wrong)


class CapabilitiesInAList(FakeLanguageModel):
    @property
    def capabilities(self) -> Any:
        return ["generate"]


class KeyInIdentity(FakeLanguageModel):
    def identity(self) -> Mapping[str, str]:
        return {"model": "fake", "key": "sk-something-secret"}


class OneTextOnly(FakeLanguageModel):
    async def generate(self, request: GenerateRequest) -> GenerateReply:
        return await super().generate(replace(request, n=1))


class NeverTheSame(FakeLanguageModel):
    async def generate(self, request: GenerateRequest) -> GenerateReply:
        self.calls += 1
        return GenerateReply((Completion(f"text {self.calls}"),) * request.n)


class CountsTooMuch(FakeLanguageModel):
    async def generate(self, request: GenerateRequest) -> GenerateReply:
        return replace(await super().generate(request), usage=Usage(5, 9, 1000))


class Probabilities(FakeLanguageModel):
    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        return ChoiceReply(np.exp((await super().choice_logprobs(request)).logprobs))


class SingleSlot(FakeLanguageModel):
    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        return ChoiceReply((await super().choice_logprobs(request)).logprobs[:1])


class SortsTheChoices(FakeLanguageModel):
    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        return await super().choice_logprobs(replace(request, choices=tuple(sorted(request.choices))))


class ReordersTheChoices(FakeLanguageModel):
    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(reversed(choices))


class MixesUpCalls(FakeLanguageModel):
    """Answers whatever was asked last."""

    _last: ChoiceRequest

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        self._last = request
        await asyncio.sleep(0)
        return await super().choice_logprobs(self._last)


class AcceptsAnyChoice(FakeLanguageModel):
    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(choice for choice in choices if len(choice) < 3)


class DoesMoreThanItTells(FakeLanguageModel):
    @property
    def capabilities(self) -> frozenset[str]:
        return frozenset({"generate"})


class RaisesItsOwnErrors(FakeLanguageModel):
    async def generate(self, request: GenerateRequest) -> GenerateReply:
        raise ConnectionError("refused")


class CannotBeClosed(FakeLanguageModel):
    async def close(self) -> None:
        raise PermanentError("still open")


def test_a_good_language_model_passes(failing_tests: Rejects) -> None:
    makers = {"llm": FakeLanguageModel, "failing_llm": FailingLanguageModel}
    assert failing_tests(LanguageModelContract, **makers) == set()


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (CapabilitiesInAList, "test_capabilities_are_known"),
        (KeyInIdentity, "test_identity_is_portable"),
        (OneTextOnly, "test_generate_gives_n_texts"),
        (NeverTheSame, "test_equal_requests_get_equal_texts"),
        (CountsTooMuch, "test_usage_is_counted_or_none"),
        (Probabilities, "test_logprobs_are_of_probabilities"),
        (SingleSlot, "test_logprobs_have_a_row_per_slot"),
        (SortsTheChoices, "test_columns_follow_the_choices"),
        (ReordersTheChoices, "test_usable_choices_are_some_of_those_asked"),
        (MixesUpCalls, "test_overlapping_calls_do_not_mix"),
        (AcceptsAnyChoice, "test_a_choice_of_many_tokens_is_refused"),
        (DoesMoreThanItTells, "test_what_it_cannot_do_it_does_not_do"),
        (RaisesItsOwnErrors, "test_failed_calls_raise_language_model_errors"),
        (CannotBeClosed, "test_it_can_be_closed"),
    ],
)
def test_wrong_language_models_are_refused(
    failing_tests: Rejects, monkeypatch: pytest.MonkeyPatch, wrong: type[FakeLanguageModel], test: str
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-something-secret")
    assert test in failing_tests(LanguageModelContract, test, llm=wrong, failing_llm=wrong)
