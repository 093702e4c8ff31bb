"""The explainers that are one prompt, and the nulls: what they ask, and what they make of a reply."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurogloss.builtin.explainers.activations_and_logits import ActivationsAndLogitsExplainer
from neurogloss.builtin.explainers.asking import read_conclusion
from neurogloss.builtin.explainers.asking_configs import (
    ActivationsAndLogitsConfig,
    AskingConfig,
    ConceptsConfig,
    ContrastiveConfig,
    ListingConfig,
    MaxActivatingConfig,
    SummaryConfig,
    TokenActivationConfig,
    TokenListConfig,
)
from neurogloss.builtin.explainers.concepts import ConceptsExplainer, read_concepts
from neurogloss.builtin.explainers.configs import OtherUnitConfig, RandomTextConfig, Which, WrittenConfig
from neurogloss.builtin.explainers.contrastive import ContrastiveExplainer
from neurogloss.builtin.explainers.max_activating import MaxActivatingExplainer
from neurogloss.builtin.explainers.other_unit import OtherUnitExplainer
from neurogloss.builtin.explainers.random_text import RandomTextExplainer
from neurogloss.builtin.explainers.summary import SummaryExplainer
from neurogloss.builtin.explainers.token_activation import TokenActivationExplainer
from neurogloss.builtin.explainers.token_list import TokenListExplainer
from neurogloss.builtin.explainers.written import WrittenExplainer
from neurogloss.builtin.negatives.configs import NeighbourNegativesConfig, RandomNegativesConfig
from neurogloss.builtin.negatives.neighbours import NeighbourNegatives
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.prompts.rendering import Conversation
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.errors import ConfigError
from neurogloss.interfaces.language_model import GENERATE, JSON_SCHEMA
from neurogloss.interfaces.output_weights import OutputTokens, OutputWeights
from neurogloss.records import codec
from neurogloss.records.explanations import ConceptsExplanation, Explanation, ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView, UnitRecord
from neurogloss.records.units import UnitId
from neurogloss.testing.fakes import FakeLanguageModel
from neurogloss.testing.records import unit_record

ANSWER = "This unit responds to"


class Able(FakeLanguageModel):
    """Says that it follows JSON schemas, or whatever it is told to say."""

    def __init__(self, text: str, *abilities: str) -> None:
        super().__init__(text)
        self._abilities = frozenset({GENERATE, *abilities})

    @property
    def capabilities(self) -> frozenset[str]:
        return self._abilities


def view() -> SplitView:
    return unit_record().view(Split.EXPLAIN)


def question(conversation: Conversation | Failure) -> str:
    assert isinstance(conversation, Conversation)
    return conversation.messages[-1].content


def first(outcomes: tuple[Explanation | Failure, ...]) -> str | Reason:
    (outcome,) = outcomes
    return outcome.reason if isinstance(outcome, Failure) else outcome.summary()


def test_texts_are_shown_with_marks_and_on_demand_with_numbers() -> None:
    llm = FakeLanguageModel()
    plain = question(MaxActivatingExplainer(MaxActivatingConfig(n_records=2), llm).conversation(view()))
    assert plain == (
        "1. The [[cat]] sleeps by the barn [[🐈]]\n2. The [[cat]] waits by the river .\n\n"
        "What does this unit respond to?"
    )
    numbered = MaxActivatingConfig(n_records=1, numbers=True, window=5, examples=0)
    asked = MaxActivatingExplainer(numbered, llm).conversation(view())
    assert question(asked) == '1. The [[cat]] sleeps by\n" cat" 10\n\nWhat does this unit respond to?'
    assert isinstance(asked, Conversation)
    assert [message.role for message in asked.messages] == ["system", "user"]


async def test_thinking_aloud_has_room_no_examples_and_a_marked_end() -> None:
    llm = FakeLanguageModel(f"Text 1 marks a cat.\n{ANSWER} pets?\nNo, dogs too.\n\n**{ANSWER} cats and dogs.**\n")
    outcomes = await MaxActivatingExplainer(MaxActivatingConfig(reasoning=200), llm).explain(view())
    assert first(outcomes) == "cats and dogs."
    (request,) = llm.requests
    assert request.max_tokens == 260
    assert [message.role for message in request.messages] == ["system", "user"]
    assert first(await MaxActivatingExplainer(MaxActivatingConfig(), llm).explain(view())) == "pets?"


async def test_thoughts_without_an_end_are_no_gloss() -> None:
    llm = FakeLanguageModel("It seems to be about cats and then about dogs")
    explainer = MaxActivatingExplainer(MaxActivatingConfig(reasoning=20), llm)
    assert first(await explainer.explain(view())) is Reason.UNPARSABLE
    assert llm.rejected == llm.requests


@pytest.mark.parametrize("reply", ["", ANSWER, f"{ANSWER}:\n", f"{ANSWER} ..."])
def test_an_end_that_says_nothing_is_unparsable(reply: str) -> None:
    assert isinstance(read_conclusion(reply, ANSWER), Failure)


def test_the_listed_tokens_can_be_shown_besides() -> None:
    config = MaxActivatingConfig(n_records=1, listing=ListingConfig(tokens=2))
    explainer = MaxActivatingExplainer(config, FakeLanguageModel())
    assert explainer.needs_token_means
    assert not MaxActivatingExplainer(MaxActivatingConfig(), FakeLanguageModel()).needs_token_means
    assert '\n" cat" 10, seen 3 times\n" 🐈" 7, seen 1 time\n' in question(explainer.conversation(view()))


async def test_a_token_list_needs_means_above_zero() -> None:
    explainer = TokenListExplainer(TokenListConfig(listing=ListingConfig(tokens=1)), FakeLanguageModel("cats"))
    assert explainer.needs_token_means
    assert question(explainer.conversation(view())).splitlines()[1:] == [
        '" cat" 10, seen 3 times', "", "What does this unit respond to?"
    ]  # fmt: skip
    assert first(await explainer.explain(view())) == "cats"
    record = unit_record()
    without = UnitRecord(record.unit, record.statistics, record.splits)
    assert first(await explainer.explain(without.view(Split.EXPLAIN))) is Reason.TOO_FEW_RECORDS
    rare = TokenListExplainer(TokenListConfig(listing=ListingConfig(tokens=1, min_count=99)), FakeLanguageModel())
    assert first(await rare.explain(view())) is Reason.TOO_FEW_RECORDS


def test_negatives_of_several_kinds_come_in_turn_and_each_once() -> None:
    kinds = (NeighbourNegatives(NeighbourNegativesConfig(n_neighbours=1)), RandomNegatives(RandomNegativesConfig()))
    explainer = ContrastiveExplainer(ContrastiveConfig(n_negatives=3), FakeLanguageModel(), kinds)
    assert question(explainer.conversation(view())).partition("not respond:\n")[2].splitlines()[:3] == [
        "1. The miller waits by the chapel .",
        "2. The miller waits by the orchard .",
        "3. The painter sings by the orchard .",
    ]


def contrastive(record: UnitRecord | None = None) -> tuple[ContrastiveExplainer, SplitView]:
    negatives = NeighbourNegatives(NeighbourNegativesConfig(n_neighbours=2))
    config = ContrastiveConfig(n_records=1, n_negatives=3)
    explainer = ContrastiveExplainer(config, FakeLanguageModel("cats"), negatives)
    return explainer, (record or unit_record()).view(Split.EXPLAIN)


def test_negatives_stand_below_without_marks() -> None:
    explainer, unit = contrastive()
    shown = question(explainer.conversation(unit)).splitlines()
    assert shown[:2] == ["It responded:", "1. The [[cat]] sleeps by the barn [[🐈]]"]
    assert shown[3:7] == [
        "It did not respond:",
        "1. The miller waits by the chapel .",
        "2. The painter sings by the orchard .",
        "3. The miller waits by the orchard .",
    ]


async def test_without_negatives_there_is_no_contrast() -> None:
    words = ("cat", "miller", "dog", "painter", "heron", "widow")
    explainer, unit = contrastive(unit_record(dict.fromkeys(words, 1.0)))
    assert first(await explainer.explain(unit)) is Reason.TOO_FEW_RECORDS


def test_a_summary_is_short() -> None:
    short = SummaryExplainer(SummaryConfig(n_records=1), FakeLanguageModel()).conversation(view())
    usual = TokenActivationExplainer(TokenActivationConfig(n_records=1, examples=0), FakeLanguageModel())
    assert question(short) == '1. The cat sleeps by the barn 🐈\n" cat" 10, " 🐈" 7'
    assert len(short.messages[0].content) * 3 < len(usual.conversation(view()).messages[0].content)


async def test_concepts_are_asked_for_as_json_where_that_can_be_enforced() -> None:
    for abilities, schema in (((), False), ((JSON_SCHEMA,), True)):
        llm = Able('{"concepts": ["cats", "dogs", "Cats", "birds", "fish"]}', *abilities)
        (outcome,) = await ConceptsExplainer(ConceptsConfig(), llm).explain(view())
        assert isinstance(outcome, ConceptsExplanation)
        assert outcome.concepts == ("cats", "dogs", "birds")
        assert outcome.text == "cats; or dogs; or birds"
        assert codec.decode(codec.encode(outcome)) == outcome
        assert (llm.requests[0].json_schema is not None) is schema


def test_lower_records_are_shown_besides_each_once() -> None:
    shown = question(ConceptsExplainer(ConceptsConfig(n_records=1), FakeLanguageModel()).conversation(view()))
    assert [line for line in shown.splitlines() if line[:1].isdigit()] == [
        "1. The [[cat]] sleeps by the barn [[🐈]]", "2. The [[cat]] waits by the river ."
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "concepts"),
    [
        ('{"concepts": ["cats", "dogs"]}', ("cats", "dogs")),
        ('Sure:\n```json\n{"concepts": [\n "cats",\n "dogs"]}\n``` Bye', ("cats", "dogs")),
        ('["This unit responds to cats", " dogs "]', ("cats", "dogs")),
        ('{"concepts": [{"concept": "cats"}, {"concept": "dogs"}]}', ("cats", "dogs")),
        ('{"concepts": ["cats", "dogs", "bir', ("cats", "dogs")),
        ("1. cats\n2) **dogs**\n- birds", ("cats", "dogs", "birds")),
        ("* cats\n* CATS", ("cats",)),
        ('{"concepts": [1, "...", ""]}', ()),
        ("#!", ()),
        ("cats and dogs", ()),
    ],
)
def test_concepts_are_found_in_the_reply(reply: str, concepts: tuple[str, ...]) -> None:
    assert read_concepts(reply) == concepts


async def test_a_sentence_is_one_concept_and_empty_json_is_none() -> None:
    for reply, expected in (("cats and dogs", "cats and dogs"), ('{"concepts": []}', Reason.UNPARSABLE)):
        llm = FakeLanguageModel(reply)
        assert first(await ConceptsExplainer(ConceptsConfig(), llm).explain(view())) == expected


@settings(deadline=None)
@given(st.text(alphabet='{}[]":,\\\n -*1.ab\ud800', max_size=60))
def test_no_reply_breaks_the_reading_of_concepts(reply: str) -> None:
    for text in (reply, json.dumps({"concepts": [reply]})):
        outcome = CONCEPTS.read(Provenance("concepts"), text, "")
        if isinstance(outcome, Failure):
            assert outcome.reason is Reason.UNPARSABLE
        else:
            assert isinstance(outcome, ConceptsExplanation)
            assert all("\n" not in concept and concept.strip() for concept in outcome.concepts)


CONCEPTS = ConceptsExplainer(ConceptsConfig(), FakeLanguageModel())


class Writing(SyntheticSubject, OutputWeights):
    """Tells what its units write."""

    def output_directions(self, site: str, indices: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def output_tokens(self, unit: UnitId, n: int) -> OutputTokens:
        return OutputTokens(((" meow", 2.0), ("\n", 1.0))[:n], ((" bark", -2.0), (" a", 0.0))[:n])


def test_what_a_unit_reads_and_writes_is_shown() -> None:
    subject = Writing(SyntheticConfig())
    explainer = ActivationsAndLogitsExplainer(ActivationsAndLogitsConfig(), FakeLanguageModel(), subject)
    assert question(explainer.conversation(view())).splitlines()[:4] == [
        'Strongest tokens: " cat", " dog"',
        'Tokens after them: " sleeps", " waits", " looks", " sings"',
        'Likelier next tokens: " meow", "\\n"',
        'Less likely next tokens: " bark"',
    ]


def test_what_a_unit_does_not_write_is_not_shown() -> None:
    subject = Writing(SyntheticConfig())
    subject.output_tokens = lambda unit, n: OutputTokens(((" a", 0.0),), ((" a", 0.0),))  # type: ignore[method-assign]
    explainer = ActivationsAndLogitsExplainer(ActivationsAndLogitsConfig(), FakeLanguageModel(), subject)
    shown = question(explainer.conversation(view())).splitlines()[2:4]
    assert shown == ["Likelier next tokens: none", "Less likely next tokens: none"]


def test_a_subject_that_cannot_tell_what_it_writes_is_refused() -> None:
    subject = SyntheticSubject(SyntheticConfig())
    with pytest.raises(ConfigError, match="what a unit writes"):
        ActivationsAndLogitsExplainer(ActivationsAndLogitsConfig(), FakeLanguageModel(), subject)


@pytest.mark.parametrize(("name", "separator"), [("glosses.yaml", ""), ("glosses.json", ",")])
async def test_written_texts_are_found_by_unit(tmp_path: Path, name: str, separator: str) -> None:
    file = tmp_path / name
    lines = ['"layers.0.mlp/0": "cats\\n and  dogs"', '"layers.0.mlp/7-": "birds"']
    text = f"{separator}\n".join(lines)
    file.write_text(f"{{{text}}}" if separator else text, encoding="utf-8")
    explainer = WrittenExplainer(WrittenConfig(file=str(file)))
    (outcome,) = await explainer.explain(view())
    assert outcome == ProseExplanation(Provenance("written"), "cats and dogs")
    assert first(await explainer.explain(unit_record(unit="layers.0.mlp/7-").view(Split.EXPLAIN))) == "birds"
    (missing,) = await explainer.explain(unit_record(unit="layers.0.mlp/7").view(Split.EXPLAIN))
    assert missing == Failure(Reason.NOT_WRITTEN, "the file has no text for layers.0.mlp/7")


async def test_one_text_may_be_written_for_all_units() -> None:
    assert first(await WrittenExplainer(WrittenConfig(text="cats")).explain(view())) == "cats"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("layers.0.mlp/0: [a]", "the text of layers.0.mlp/0 is ['a']"),
        ("layers.0.mlp/0:", "the text of layers.0.mlp/0 is None"),
        ("somewhere: cats", "'somewhere' is not the name of a unit"),
        ("layers.0.mlp/0: a\nlayers.0.mlp/0: b", "layers.0.mlp/0 stands there twice"),
        ("layers.0.mlp/0: a\nlayers.0.mlp/0+: b", "two texts for layers.0.mlp/0"),
        ("- a", "does not map units to texts"),
        ("", "does not map units to texts"),
        ("a: 'b", "line 1"),
    ],
)
def test_a_file_that_is_wrong_is_told_apart(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "glosses.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        WrittenConfig(file=str(file)).check()
    assert told in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("config", [WrittenConfig(), WrittenConfig(text="a", file="b"), WrittenConfig(text=" ")])
def test_there_is_one_text_or_one_file(config: WrittenConfig) -> None:
    with pytest.raises(ConfigError, match="text"):
        config.check()


async def other(which: Which, seed: int = 0, among: int = 9) -> tuple[str, str]:
    config = OtherUnitConfig(which=which, seed=seed, among=among)
    (outcome,) = await OtherUnitExplainer(config, RandomTextExplainer(RandomTextConfig())).explain(view())
    assert isinstance(outcome, ProseExplanation)
    assert outcome.provenance.explainer == "other_unit"
    return outcome.provenance.about, outcome.text


async def test_another_unit_is_explained_and_named() -> None:
    """The neighbours are layers.1.mlp/0, /1, /2, /3, the nearest first."""
    assert (await other(Which.NEAREST))[0] == "layers.1.mlp/0"
    about, text = await other(Which.FARTHEST)
    assert about == "layers.1.mlp/3"
    assert (await other(Which.FARTHEST, among=2))[0] == "layers.1.mlp/1"
    named = unit_record({"widow": 1.0}, about).view(Split.EXPLAIN)
    assert first(await RandomTextExplainer(RandomTextConfig()).explain(named)) == text
    drawn = {(await other(Which.SEEDED, seed))[0] for seed in range(14)}
    assert drawn == {f"layers.1.mlp/{i}" for i in range(4)}
    assert await other(Which.SEEDED, 3) == await other(Which.SEEDED, 3)


async def test_a_unit_alone_has_no_other() -> None:
    words = ("cat", "miller", "dog", "painter", "heron", "widow")
    explainer = OtherUnitExplainer(OtherUnitConfig(), RandomTextExplainer(RandomTextConfig()))
    alone = unit_record(dict.fromkeys(words, 1.0)).view(Split.EXPLAIN)
    assert first(await explainer.explain(alone)) is Reason.TOO_FEW_RECORDS


def test_another_units_means_are_collected_where_its_explainer_needs_them() -> None:
    config = TokenListConfig()
    of = TokenListExplainer(config, FakeLanguageModel())
    assert OtherUnitExplainer(OtherUnitConfig(), of).needs_token_means
    assert not OtherUnitExplainer(OtherUnitConfig(), RandomTextExplainer(RandomTextConfig())).needs_token_means


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (MaxActivatingConfig(mark_from=0), "mark_from"),
        (MaxActivatingConfig(reasoning=-1), "reasoning"),
        (MaxActivatingConfig(examples=-1), "examples"),
        (TokenListConfig(listing=ListingConfig(tokens=0)), "tokens"),
        (ConceptsConfig(max_concepts=0), "max_concepts"),
        (ConceptsConfig(n_lower=-1), "n_lower"),
        (ContrastiveConfig(n_negatives=0), "n_negatives"),
        (SummaryConfig(list_from=11), "list_from"),
        (ActivationsAndLogitsConfig(logits=0), "logits"),
        (OtherUnitConfig(among=0), "among"),
        (OtherUnitConfig(of=["token_list"]), "of"),
    ],
)
def test_values_out_of_range_are_refused(config: AskingConfig | OtherUnitConfig, field: str) -> None:
    with pytest.raises(ConfigError, match=f"{field} is"):
        config.check()
