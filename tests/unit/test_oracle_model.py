"""The oracle: what it finds in a request, and what it says when something is missing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurogloss.builtin.llms.configs import OracleConfig
from neurogloss.builtin.llms.oracle import OracleModel
from neurogloss.builtin.llms.readers.reader import told
from neurogloss.builtin.llms.readers.texts import words_of
from neurogloss.builtin.llms.truth import Chance, Knowledge
from neurogloss.builtin.prompts.rendering import Conversation
from neurogloss.builtin.scorers.configs import GenerateThenActivateConfig
from neurogloss.builtin.scorers.generate_then_activate import GenerateThenActivateScorer
from neurogloss.builtin.scorers.written_texts import read_texts
from neurogloss.builtin.simulators.configs import JsonConfig, Layout, LogprobConfig, Mode
from neurogloss.builtin.simulators.json import JsonSimulator
from neurogloss.builtin.simulators.logprob import LogprobSimulator
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.builtin.subjects.unit_files import UnitFile
from neurogloss.interfaces.simulator import Simulator
from neurogloss.records.documents import Document, Message
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.requests import ChoiceRequest, GenerateRequest
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import Split, TokenSequence

SUBJECT = SyntheticSubject(SyntheticConfig())
ORACLE = OracleModel(OracleConfig())
KNOWLEDGE = Knowledge(UnitFile().claims)
LEVELS = tuple(map(str, range(11)))
TEXT = 'The "ten cats" saw\nfour in 1999.'
NUMBER_WORDS = "how large a number word is: one is weak, ten is strong"


def sequence(text: str = TEXT) -> TokenSequence:
    (tokenized,) = SUBJECT.tokenize([Document("d", text)])
    return TokenSequence(0, "d", Split.TEST, text, tokenized.token_ids, tokenized.spans, tokenized.special)


def simulated(simulator: Simulator, explanation: str) -> Simulation:
    said = ProseExplanation(Provenance("written"), explanation)
    (outcome,) = asyncio.run(simulator.simulate(said, [sequence()]))
    assert isinstance(outcome, Simulation)
    return outcome


def simulators(llm: OracleModel = ORACLE) -> dict[str, Simulator]:
    return {
        "all at once": LogprobSimulator(LogprobConfig(), llm=llm),
        "one at a time": LogprobSimulator(LogprobConfig(mode=Mode.ONE_AT_A_TIME), llm=llm),
        "compact": LogprobSimulator(LogprobConfig(layout=Layout.COMPACT), llm=llm),
        "chat": LogprobSimulator(LogprobConfig(chat=True), llm=llm),
        "json": JsonSimulator(JsonConfig(), llm=llm),
    }


@pytest.mark.parametrize("name", simulators())
@pytest.mark.parametrize(
    ("explanation", "levels"),
    [
        (NUMBER_WORDS, [0, 0, 10, 0, 0, 0, 4, 0, 0, 0]),
        ("everything inside double\nquotation marks", [0, 0, 10, 10, 0, 0, 0, 0, 0, 0]),
        ("probably years from 1500 to 2099, or so", [0, 0, 0, 0, 0, 0, 0, 0, 10, 0]),
    ],
)
def test_known_explanations_are_answered_exactly(name: str, explanation: str, levels: list[int]) -> None:
    np.testing.assert_array_equal(simulated(simulators()[name], explanation).expected, levels)


@pytest.mark.parametrize("layout", Layout)
def test_texts_of_one_request_are_read_apart(layout: Layout) -> None:
    said = ProseExplanation(Provenance("written"), "everything inside double quotation marks")
    simulator = LogprobSimulator(LogprobConfig(layout=layout, sequences_per_request=2), llm=ORACLE)
    texts = [sequence('He said: "ten cats'), sequence("four cats")]
    opened, plain = asyncio.run(simulator.simulate(said, texts))
    assert isinstance(opened, Simulation)
    assert isinstance(plain, Simulation)
    assert opened.expected.max() == 10
    np.testing.assert_array_equal(plain.expected, np.zeros(len(texts[1].token_ids)))


@pytest.mark.parametrize("name", simulators())
def test_what_is_not_known_is_answered_by_chance(name: str) -> None:
    first, second = (simulated(simulators()[name], text).expected for text in ("heron ponds", "heron lakes"))
    np.testing.assert_array_equal(first, simulated(simulators()[name], "heron ponds").expected)
    assert (first != second).any()
    random = simulators(OracleModel(OracleConfig(random=True)))[name]
    assert len(set(simulated(random, NUMBER_WORDS).expected)) > 3


def test_puzzles_are_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "puzzles.json"
    path.write_text('{"p": {"explanation": "a riddle", "sentences": [["Ten", [" he", 2], ["rons", 4]]]}}', "utf-8")
    oracle = OracleModel(OracleConfig(units=str(path)))
    request = ChoiceRequest(("a riddle\nTen =>", "\n he =>", "\nrons =>", "\n"), LEVELS, "unknown")
    assert list(asyncio.run(oracle.choice_logprobs(request)).logprobs.argmax(axis=1)) == [0, 5, 10]
    assert oracle.identity() != ORACLE.identity()


def test_only_levels_that_are_choices_are_answered() -> None:
    request = ChoiceRequest((f"{NUMBER_WORDS}\nten =>", "\nfive =>", "\n"), LEVELS[:10], "unknown")
    assert list(asyncio.run(ORACLE.choice_logprobs(request)).logprobs.argmax(axis=1)) == [9, 4]


def test_without_the_text_there_is_no_answer() -> None:
    """Each request lacks what is asked about, and is answered as if the oracle could not read it."""
    slots = ChoiceRequest((f"{NUMBER_WORDS}\n =>", "\n =>", "\n"), LEVELS, "unknown")
    replies = {
        tuple(asyncio.run(ORACLE.choice_logprobs(replace(slots, fill=fill))).logprobs.argmax(axis=1))
        for fill in map(str, range(30))
    }
    assert len(replies) > 5
    whole = JsonSimulator(JsonConfig(), llm=ORACLE).conversation(NUMBER_WORDS, sequence())
    *before, last = whole.messages
    without = Message("user", last.content.splitlines()[0])
    request = GenerateRequest((*before, without), max_tokens=500)
    assert '"activation"' not in asyncio.run(ORACLE.generate(request)).completions[0].text


def test_the_longest_known_explanation_counts_and_whole_words_alone() -> None:
    truth = KNOWLEDGE.truth_in("Unit 4: years from 1500 to 2099. Or: everything inside double quotation marks")
    assert truth is not None
    assert truth.fires(["“", "sea"])
    assert not truth.fires(["1999"])
    assert KNOWLEDGE.truth_in("repunctuation marks") is None
    assert KNOWLEDGE.truth_in("repunctuation marks, punctuation marks") is not None


def test_prompts_hold_no_known_explanation_of_their_own() -> None:
    logprob, json_ = simulators()["all at once"], simulators()["json"]
    assert isinstance(logprob, LogprobSimulator)
    assert isinstance(json_, JsonSimulator)
    conversation: Conversation = logprob.conversation("heron ponds", 10)
    request = logprob.request(conversation, [sequence()], LEVELS)
    assert KNOWLEDGE.truth_in(told(request)) is None
    messages = json_.conversation("heron ponds", sequence()).messages
    assert KNOWLEDGE.truth_in("\n".join(message.content for message in messages)) is None


def test_chance_says_the_same_to_the_same_question_and_favours_nothing() -> None:
    words = [str(i) for i in range(2000)]
    chance = Chance("seed")
    np.testing.assert_array_equal(chance.levels(words, 10), Chance("seed").levels(words, 10))
    assert (chance.levels(words, 10) != Chance("other").levels(words, 10)).any()
    assert set(chance.levels(words, 10)) == set(range(11))
    assert chance.levels(words, 10).mean() == pytest.approx(5, abs=0.3)
    assert chance.fires_at(words).mean() == pytest.approx(0.5, abs=0.05)
    assert np.mean([chance.fires([word]) for word in words]) == pytest.approx(0.5, abs=0.05)
    marked = np.array([True, False])
    assert np.mean([chance.fires_just_at([word, "a"], marked) for word in words]) == pytest.approx(0.5, abs=0.05)


def test_marks_are_right_where_all_that_fires_is_marked_and_nothing_else() -> None:
    truth = KNOWLEDGE.truth_in("years from 1500 to 2099")
    assert truth is not None
    right = [truth.fires_just_at(["in", "1999", "."], np.array(each)) for each in ([0, 1, 0], [0, 1, 1], [0, 0, 1])]
    assert right == [True, False, False]


def test_written_texts_come_in_two_kinds_that_differ_in_one_word() -> None:
    explanation = "years from 1500 to 2099"
    request = GenerateThenActivateScorer(GenerateThenActivateConfig(), ORACLE).request(explanation)
    written = read_texts(asyncio.run(ORACLE.generate(request)).completions[0].text, 10)
    truth = KNOWLEDGE.truth_in(explanation)
    assert truth is not None
    for kind, texts in written.items():
        assert len(texts) == 10
        words = [words_of(text) for text in texts]
        assert {truth.fires(each) for each in words} == {kind == "firing"}
        assert sum(truth.fires_at(each)[-1] for each in words) >= (4 if kind == "firing" else 0)
        assert min(map(len, words)) >= 4


def test_samples_of_an_exact_answer_are_equal_and_those_of_chance_are_not() -> None:
    def texts(explanation: str) -> set[str]:
        messages = JsonSimulator(JsonConfig(), llm=ORACLE).conversation(explanation, sequence()).messages
        reply = asyncio.run(ORACLE.generate(GenerateRequest(messages, max_tokens=500, n=3)))
        return {json.dumps(json.loads(completion.text)) for completion in reply.completions}

    assert len(texts(NUMBER_WORDS)) == 1
    assert len(texts("heron ponds")) == 3
