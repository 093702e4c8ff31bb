"""What is asked, of whom, and how, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neurogloss.builtin.negatives.beginnings import BeginningNegatives
from neurogloss.builtin.negatives.configs import (
    BeginningNegativesConfig,
    NeighbourNegativesConfig,
    RandomNegativesConfig,
)
from neurogloss.builtin.negatives.neighbours import NeighbourNegatives
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.scorers.questions.base import QuestionScorer
from neurogloss.builtin.scorers.questions.configs import (
    AnswersAs,
    DetectionConfig,
    DiscriminationConfig,
    FuzzingConfig,
    IntruderConfig,
)
from neurogloss.builtin.scorers.questions.detection import DetectionScorer
from neurogloss.builtin.scorers.questions.discrimination import DiscriminationScorer
from neurogloss.builtin.scorers.questions.fuzzing import FuzzingScorer
from neurogloss.builtin.scorers.questions.intruder import IntruderScorer
from neurogloss.builtin.scorers.questions.question import Questionnaire
from neurogloss.errors import ConfigError
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, JSON_SCHEMA, LanguageModel
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import ChoiceRequest, Completion, GenerateReply, GenerateRequest
from neurogloss.records.scores import Score
from neurogloss.records.unit_records import SplitView
from neurogloss.testing.fakes import FakeLanguageModel
from neurogloss.testing.records import prose_explanation, token_table_explanation

GLOSS = prose_explanation("the words cat and kitten")
NEGATIVES = (RandomNegatives(RandomNegativesConfig()), NeighbourNegatives(NeighbourNegativesConfig()))
BEGINNINGS = BeginningNegatives(BeginningNegativesConfig())
WHOLE = {"positives": ["top", "quantile", "importance"], "negatives": ["random", "neighbours"]}
Reader = Callable[..., Any]


def detection(llm: LanguageModel, **config: Any) -> DetectionScorer:
    return DetectionScorer(DetectionConfig(**(WHOLE | config)), llm=llm, negatives=NEGATIVES)


def fuzzing(llm: LanguageModel, **config: Any) -> FuzzingScorer:
    return FuzzingScorer(FuzzingConfig(**config), llm=llm)


def intruder(llm: LanguageModel, **config: Any) -> IntruderScorer:
    return IntruderScorer(IntruderConfig(with_explanation=True, **config), llm=llm, negatives=NEGATIVES[:1])


def discrimination(llm: LanguageModel, **config: Any) -> DiscriminationScorer:
    return DiscriminationScorer(DiscriminationConfig(**config), llm=llm, negatives=NEGATIVES[1:])


ALL = (detection, fuzzing, intruder, discrimination)


def outcome(scorer: QuestionScorer, view: SplitView, gloss: Any = GLOSS) -> Score | Failure:
    return asyncio.run(scorer.score(gloss, view)).outcome


def score(scorer: QuestionScorer, view: SplitView, gloss: Any = GLOSS) -> Score:
    found = outcome(scorer, view, gloss)
    assert isinstance(found, Score), found
    return found


def asked(scorer: QuestionScorer, view: SplitView) -> Questionnaire:
    found = scorer.questions(view)
    assert isinstance(found, Questionnaire), found
    return found


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("capabilities", [(GENERATE, CHOICE_LOGPROBS), (GENERATE,), (GENERATE, JSON_SCHEMA)])
def test_the_truth_reaches_the_ceiling_and_a_falsehood_does_not(
    make: Any, capabilities: tuple[str, ...], view: SplitView, word_reader: Reader
) -> None:
    right = score(make(word_reader(capabilities)), view)
    assert right.value == right.ceiling == 1
    assert right.measures["f1"].value == 1
    assert ("auc" in right.measures) is (CHOICE_LOGPROBS in capabilities)
    if make not in (intruder, discrimination):  # the reader needs something to choose
        wrong = score(make(word_reader(capabilities)), view, prose_explanation("the words heron"))
        assert wrong.value is not None
        assert wrong.value <= 0.5


@pytest.mark.parametrize("make", ALL)
def test_random_answers_are_at_chance(make: Any, view: SplitView) -> None:
    found = [
        score(make(FakeLanguageModel(), seed=seed, n_bootstrap=300), view).measures["balanced_accuracy"]
        for seed in range(8)
    ]
    outside = [m for m in found if m.low is None or m.high is None or not m.low <= 0.5 <= m.high]
    assert len(outside) <= 2, "of 95 % intervals, one in twenty misses"
    # 8 times 40 answers: the standard error of the mean is 0.028.
    assert np.mean([m.value for m in found if m.value is not None]) == pytest.approx(0.5, abs=0.09)


def test_detection_asks_as_often_about_texts_that_fire_as_about_others(view: SplitView) -> None:
    questions = asked(detection(FakeLanguageModel()), view).questions
    assert Counter(question.answer for question in questions) == {1: 20, 0: 20}
    for question in questions:
        assert bool(re.search("cat|kitten", question.texts[0])) is bool(question.answer)
    groups = Counter(question.groups[0] for question in questions)
    assert {g: n for g, n in groups.items() if "neg" in g} == {"negatives.random": 10, "negatives.neighbours": 10}
    # The lowest bin holds no text that reaches level 1.
    assert {g: n for g, n in groups.items() if "neg" not in g} == {
        "top": 5,
        "quantile.0.5-0.9": 5,
        "quantile.0.9-0.99": 5,
        "importance": 5,
    }
    assert len({question.document_id for question in questions}) == 40


def test_beginnings_differ_in_one_token(view: SplitView) -> None:
    """Texts that end with the first token that fires, and texts that end before it."""
    config = DetectionConfig(positives=["beginnings"], negatives="beginnings")
    questions = asked(DetectionScorer(config, FakeLanguageModel(), BEGINNINGS), view).questions
    assert Counter(question.answer for question in questions) == {1: 20, 0: 20}
    for question in questions:
        *before, last = question.texts[0].split()
        assert (last in ("cat", "kitten")) is bool(question.answer)
        assert not {"cat", "kitten"} & set(before)
        assert question.answer or len(before) >= 3
    found = BEGINNINGS.records(view, 1000)
    texts = [record.sequence.text for record in (*view.records.top, *view.records.importance)]
    texts += [record.sequence.text for records in view.records.quantile.values() for record in records]
    for record in found:
        assert not view.fires(record)
        assert record.counted.sum() >= 4
        assert any(text.startswith(record.sequence.text) for text in texts)
    assert len({record.sequence.id for record in found}) == len(found) > 20


def test_the_order_depends_on_the_unit_and_the_seed_alone(view: SplitView) -> None:
    first, again, other = (asked(detection(FakeLanguageModel(), seed=s), view).questions for s in (0, 0, 1))
    assert first == again
    assert first != other
    assert sorted(q.document_id for q in first) == sorted(q.document_id for q in other)


def test_what_is_left_over_is_asked_too(view: SplitView) -> None:
    llm = FakeLanguageModel()
    found = score(detection(llm, n_positives=8, n_negatives=8, per_request=5), view)
    assert found.n_asked == found.n_answered == 16
    requests = [request for request in llm.requests if isinstance(request, ChoiceRequest)]
    assert [len(request.pieces) - 1 for request in requests] == [5, 5, 5, 1]


def test_where_one_kind_is_short_the_other_is_cut_alike(view: SplitView) -> None:
    scorer = detection(FakeLanguageModel(), n_positives=60, n_negatives=30)
    found = asked(scorer, view)
    assert Counter(question.answer for question in found.questions) == {1: 40, 0: 20}
    assert found.flags == ("40 of 60 positives", "20 of 30 negatives")


def test_a_unit_with_too_few_texts_says_how_many(view: SplitView) -> None:
    failure = outcome(detection(FakeLanguageModel(), n_positives=100, n_negatives=100, min_each=90), view)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.TOO_FEW_RECORDS
    assert failure.detail == "40 texts that fire and 75 that do not, at least 90 of each are needed"


def test_fuzzing_marks_as_many_other_tokens_at_like_places(view: SplitView) -> None:
    questions = asked(fuzzing(FakeLanguageModel(), window=8), view).questions
    places: dict[int, list[int]] = {0: [], 1: []}
    for question in questions:
        text = question.texts[0]
        assert re.search("cat|kitten", text), "every text fires"
        marked = re.findall("<<(.*?)>>", text)
        right = {"cat", "kitten"} & set(" ".join(marked).split())
        assert bool(right) is bool(question.answer), "never a token that fires in the negatives"
        unmarked = re.sub("<<.*?>>", "", text)
        assert bool(re.search("cat|kitten", unmarked)) is not bool(question.answer), "all that fire in the positives"
        places[question.answer] += [i for i, word in enumerate(text.split()) if "<<" in word]
    assert len(set(places[0])) >= 3, "not always the same positions"
    assert Counter(places[0]).most_common(1)[0][1] <= len(places[0]) // 2
    assert np.mean(places[0]) == pytest.approx(np.mean(places[1]), abs=1)
    assert len(places[0]) == pytest.approx(len(places[1]), abs=6)


def test_marks_that_a_text_holds_are_not_used(view: SplitView, word_reader: Reader) -> None:
    record = view.records.top[0]
    odd = replace(record.sequence, text=record.sequence.text.replace(" the", " <<x", 1))
    assert odd.text != record.sequence.text
    records = replace(view.records, top=(ActivationRecord(odd, record.values, record.counted), *view.records.top[1:]))
    changed = replace(view._record, splits={view.split: records}).view(view.split)
    questions = asked(fuzzing(FakeLanguageModel()), changed)
    assert questions.variables["marks"] == ("[[", "]]")
    assert all("[[" in question.texts[0] for question in questions.questions)


def test_an_intruder_stands_at_every_place_equally_often(view: SplitView) -> None:
    questions = asked(intruder(FakeLanguageModel()), view).questions
    assert Counter(question.answer for question in questions) == dict.fromkeys(range(5), 4)
    for question in questions:
        firing = [bool(re.search("cat|kitten", text)) for text in question.texts]
        assert firing == [place != question.answer for place in range(5)]
        assert len(set(question.texts)) == 5


def test_without_the_explanation_all_explanations_score_alike(view: SplitView) -> None:
    scorer = IntruderScorer(IntruderConfig(), llm=FakeLanguageModel(), negatives=NEGATIVES[0])
    assert score(scorer, view) == score(scorer, view, token_table_explanation())


def test_discrimination_puts_texts_of_neighbours_beside_the_units_own(view: SplitView) -> None:
    questions = asked(discrimination(FakeLanguageModel()), view).questions
    for question in questions:
        own = [bool(re.search("cat|kitten", text)) for text in question.texts]
        assert own == [place == question.answer for place in range(5)]
        assert all("heron" in text for place, text in enumerate(question.texts) if place != question.answer)


@pytest.mark.parametrize("window", [None, 6])
def test_marks_are_where_the_unit_fires_or_a_neighbour_does(view: SplitView, window: int | None) -> None:
    for question in asked(discrimination(FakeLanguageModel(), window=window), view).questions:
        for place, text in enumerate(question.texts):
            inside, outside = re.findall("<<(.*?)>>", text), re.sub("<<.*?>>", "", text)
            if place == question.answer:
                assert set(" ".join(inside).split()) <= {"cat", "kitten"}
                assert not re.search("cat|kitten", outside)
            else:
                assert inside == ["heron"]


def test_an_intruder_has_as_many_marks_at_like_places(view: SplitView) -> None:
    places: dict[bool, list[int]] = {False: [], True: []}
    counts: dict[bool, list[int]] = {False: [], True: []}
    for question in asked(intruder(FakeLanguageModel()), view).questions:
        for place, text in enumerate(question.texts):
            marked = [i for i, word in enumerate(re.sub("<<(.*?)>>", _each_word, text).split()) if "<<" in word]
            places[place == question.answer] += marked
            counts[place == question.answer].append(len(marked))
    assert np.mean(counts[True]) == pytest.approx(np.mean(counts[False]), abs=0.5)
    assert np.mean(places[True]) == pytest.approx(np.mean(places[False]), abs=1)
    assert len(set(places[True])) >= 5, "not always the same positions"


def _each_word(marked: re.Match[str]) -> str:
    return " ".join(f"<<{word}>>" for word in marked[1].split())


@pytest.mark.parametrize("make", [intruder, discrimination])
def test_without_marks_the_texts_are_bare(make: Any, view: SplitView) -> None:
    found = asked(make(FakeLanguageModel(), marked=False), view)
    assert found.variables["marks"] is None
    assert not any("<<" in text for question in found.questions for text in question.texts)


def test_no_beginning_takes_the_neighbours_marks(view: SplitView) -> None:
    """A beginning has its sequence's number; a neighbour's marks in the whole could be the unit's own tokens."""
    config = DiscriminationConfig(negatives="beginnings")
    for question in asked(DiscriminationScorer(config, FakeLanguageModel(), BEGINNINGS), view).questions:
        for place, text in enumerate(question.texts):
            assert bool(re.search("cat|kitten", text)) is (place == question.answer)
            assert "<<" in text


def test_a_choice_of_five_has_its_chance_at_a_half(view: SplitView) -> None:
    """Always the second of five: right in a fifth, so a balanced accuracy of (1/5 + (1 - (4/5) / 4)) / 2."""
    found = score(intruder(FakeLanguageModel(prefers=1)), view)
    assert found.value == pytest.approx(0.5)
    assert found.measures["recall"].value == pytest.approx(0.2)
    assert found.measures["recall.constant"].value == pytest.approx(0.2)
    assert found.floors["constant"] == pytest.approx(0.5)
    assert "constant answers" in found.flags


def test_constant_answers_and_what_they_would_get(view: SplitView) -> None:
    found = score(detection(FakeLanguageModel(prefers=1), n_positives=4, n_negatives=10, min_each=1), view)
    assert found.value == found.floors["constant"] == 0.5
    assert found.measures["accuracy"].value == pytest.approx(4 / 14)
    assert found.measures["accuracy.constant"].value == pytest.approx(10 / 14)
    assert found.measures["f1.constant"].value == pytest.approx(8 / 18)
    assert found.measures["auc"].value == 0.5


def test_groups_are_compared_with_all_that_are_the_other_way_round(view: SplitView, word_reader: Reader) -> None:
    """Who knows `heron` alone calls all texts of the neighbours true, and is wrong about nothing else that is quiet."""
    found = score(detection(word_reader()), view, prose_explanation("the words cat and kitten and heron"))
    assert found.measures["recall"].value == 1
    assert found.measures["balanced_accuracy"].value == 0.75
    assert found.measures["balanced_accuracy.negatives.random"].value == 1
    assert found.measures["balanced_accuracy.negatives.neighbours"].value == 0.5
    assert found.measures["precision.negatives.neighbours"].value == pytest.approx(20 / 30)
    assert found.measures["recall.quantile.0.5-0.9"].value == 1
    assert found.measures["balanced_accuracy.top"].value == 0.75


def test_text_where_the_answers_are_no_tokens(view: SplitView, word_reader: Reader) -> None:
    reader = word_reader(usable=False)
    found = score(detection(reader), view)
    assert found.value == 1
    assert "auc" not in found.measures
    assert all(isinstance(request, GenerateRequest) for request in reader.requests)
    failure = outcome(detection(word_reader(usable=False), answers=AnswersAs.PROBABILITIES), view)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.FAILED
    assert "single token" in failure.detail


def test_text_where_it_is_wanted_and_a_schema_where_there_is_one(view: SplitView, word_reader: Reader) -> None:
    for capabilities in ((GENERATE, CHOICE_LOGPROBS), (GENERATE, JSON_SCHEMA)):
        reader = word_reader(capabilities)
        score(detection(reader, answers=AnswersAs.TEXT), view)
        for request in reader.requests:
            assert isinstance(request, GenerateRequest)
            assert (request.json_schema is not None) is (JSON_SCHEMA in capabilities)
    with pytest.raises(ConfigError, match="tells none"):
        detection(word_reader((GENERATE,)), answers=AnswersAs.PROBABILITIES)


class Muddled(FakeLanguageModel):
    """Answers every other request with something else than the answers."""

    capabilities = frozenset({GENERATE})

    def __init__(self, other: Completion) -> None:
        super().__init__()
        self._other = other

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        self.calls += 1
        good = Completion('{"answers": [1, 1, 0, 0, 1]}')
        return GenerateReply((good if self.calls % 2 else self._other,))


@pytest.mark.parametrize(
    ("other", "unparsable"),
    [(Completion("I cannot say."), 20), (Completion("[1, 0, 1]"), 20), (Completion("", "refusal"), 0)],
)
def test_what_cannot_be_read_and_what_is_refused_is_counted_and_told(
    other: Completion, unparsable: int, view: SplitView
) -> None:
    llm = Muddled(other)
    found = score(detection(llm), view)
    assert (found.n_asked, found.n_answered) == (40, 20)
    assert (found.n_unparsable, found.n_failed) == (unparsable, 20 - unparsable)
    assert "20 of 40 questions unanswered" in found.flags
    assert len(llm.rejected) == 4
    whole = score(detection(Muddled(Completion("[1, 1, 0, 0, 1]"))), view)
    assert whole.n_answered == 40


def test_an_explanation_of_another_type_is_a_mismatch(view: SplitView) -> None:
    failure = outcome(detection(FakeLanguageModel()), view, token_table_explanation())
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.MISMATCHED


class Wrong(Negatives):
    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        return view.records.top[:n]


def test_negatives_that_fire_are_refused(view: SplitView) -> None:
    scorer = DetectionScorer(DetectionConfig(negatives=["wrong"]), FakeLanguageModel(), (Wrong(),))
    with pytest.raises(ValueError, match=r"negatives\.wrong holds a record on which"):
        scorer.questions(view)


def test_negatives_are_named_as_they_are_configured(view: SplitView) -> None:
    config = DetectionConfig(negatives=[{"component": "random"}, "neighbours"])
    questions = asked(DetectionScorer(config, FakeLanguageModel(), NEGATIVES), view).questions
    assert {"negatives.random", "negatives.neighbours"} < {question.groups[0] for question in questions}


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (DetectionConfig, {"n_positives": 0}),
        (DetectionConfig, {"per_request": 0}),
        (DetectionConfig, {"min_each": 21}),
        (DetectionConfig, {"positives": ["bottom"]}),
        (DetectionConfig, {"positives": []}),
        (DetectionConfig, {"window": 0}),
        (DetectionConfig, {"minimum_mass": 1.0}),
        (FuzzingConfig, {"n_bootstrap": -1}),
        (IntruderConfig, {"n_texts": 10}),
        (IntruderConfig, {"n_texts": 1}),
        (DiscriminationConfig, {"min_questions": 21}),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(config: Any, wrong: dict[str, Any]) -> None:
    (field,) = wrong
    with pytest.raises(ConfigError, match=field):
        config(**wrong).check()
    config().check()
