"""investigate: what a reply does, what is run, what is shown of it, and where it ends."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from neurogloss.builtin.explainers.configs import InvestigateConfig
from neurogloss.builtin.explainers.investigate import InvestigateExplainer, Move, read_move
from neurogloss.errors import ConfigError, PermanentError
from neurogloss.records import codec
from neurogloss.records.explanations import Experiment, Explanation, InvestigatedExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import Completion, GenerateReply, GenerateRequest
from neurogloss.records.tokens import Split
from neurogloss.testing.fakes import FakeLanguageModel
from neurogloss.testing.records import unit_record


class Replies(FakeLanguageModel):
    """Gives one reply after another; then it fails."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self._texts = list(texts)
        self.requests: list[GenerateRequest] = []

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        self.requests.append(request)
        if not self._texts:
            raise PermanentError("no more replies")
        return GenerateReply((Completion(self._texts.pop(0)),))


def tries(*texts: str) -> str:
    return json.dumps({"thought": "cats?", "texts": texts})


ANSWER = json.dumps({"thought": "cats.", "explanation": "This unit responds to cats"})


def investigated(llm: Replies, **config: int) -> Explanation | Failure:
    explainer = InvestigateExplainer(InvestigateConfig(**config), llm)  # type: ignore[arg-type]
    (outcome,) = asyncio.run(explainer.explain(unit_record().view(Split.EXPLAIN)))
    return outcome


def test_texts_are_run_and_shown_and_kept() -> None:
    llm = Replies(tries("a cat sat", "a dog sat", "a stone"), ANSWER)
    outcome = investigated(llm)
    assert isinstance(outcome, InvestigatedExplanation)
    assert outcome.text == "cats"
    # cat 4.0 is the largest value, level 10; dog 2.0 is level 5.
    assert outcome.experiments == (
        Experiment("a [[cat]] sat", 10, ((" cat", 10),)),
        Experiment("a [[dog]] sat", 5, ((" dog", 5),)),
        Experiment("a stone", 0),
    )
    assert outcome.thoughts == ("cats?", "cats.")
    shown = llm.requests[1].messages[-1].content
    assert '1. a [[cat]] sat\nstrongest 10: " cat" 10\n' in shown
    assert "3. a stone\nstrongest 0\n" in shown
    assert [request.seed for request in llm.requests] == [0, 1]
    assert codec.decode(codec.encode(outcome)) == outcome


def test_the_budget_of_texts_ends_it() -> None:
    llm = Replies(tries("a cat", "b cat", "c cat"), tries("d cat", "e cat"), ANSWER)
    outcome = investigated(llm, max_texts=4, texts_per_call=3)
    assert isinstance(outcome, InvestigatedExplanation)
    assert [experiment.text[0] for experiment in outcome.experiments] == ["a", "b", "c", "d"]
    assert "Try up to 3 texts" in llm.requests[0].messages[-1].content
    assert "Try up to 1 texts" in llm.requests[1].messages[-1].content
    assert "Now answer" in llm.requests[2].messages[-1].content


def test_the_budget_of_calls_ends_it_and_no_answer_is_a_failure() -> None:
    llm = Replies(tries("a cat"), tries("b cat"), ANSWER)
    outcome = investigated(llm, max_calls=2)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.UNPARSABLE
    assert len(llm.requests) == 2
    assert llm.rejected == llm.requests[1:]


def test_an_unreadable_reply_costs_a_call_and_is_told() -> None:
    llm = Replies("#!", ANSWER)
    outcome = investigated(llm)
    assert isinstance(outcome, InvestigatedExplanation)
    assert outcome.experiments == ()
    assert llm.rejected == llm.requests[:1]
    assert "could not be read" in llm.requests[1].messages[-1].content


def test_a_call_that_fails_is_a_failure() -> None:
    outcome = investigated(Replies(tries("a cat")))
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.FAILED


def test_long_texts_are_cut_and_empty_ones_left_out() -> None:
    llm = Replies(tries("cat " * 50, " ", "dog"), ANSWER)
    outcome = investigated(llm, max_characters=5)
    assert isinstance(outcome, InvestigatedExplanation)
    assert [experiment.text for experiment in outcome.experiments] == ["[[cat]] c", "[[dog]]"]


@pytest.mark.parametrize(
    ("reply", "move"),
    [
        ('{"thought": "t", "texts": ["a", "b", "a"]}', Move("t", ("a", "b"))),
        ('Sure!\n```json\n{"texts": ["a\\n"],}\n```', Move("", ("a\n",))),
        ('{"thought": "so", "texts": ["a", "b", "cut sho', Move("so", ("a", "b"))),
        ('{"explanation": "This unit responds to \\"cats\\"."}', Move(explanation="cats")),
        ('{"explanation": "cats", "texts": ["a"]}', Move(explanation="cats")),
        ('{"explanation": "", "texts": ["a"]}', Move("", ("a",))),
        ('{"note": 1} {"texts": ["a"]}', Move("", ("a",))),
        ("I think this unit responds to cats.\n", Move(explanation="cats.")),
        ('{"texts": []}', None),
        ('{"texts": [1, null]}', None),
        ("no idea", None),
        ("", None),
    ],
)
def test_replies_are_read_as_far_as_they_go(reply: str, move: Move | None) -> None:
    assert read_move(reply) == move


@given(
    st.text()
    | st.lists(st.sampled_from(['{"', 'texts"', ":", "[", '"a"', ",", "]", "}", "\\", "thought"])).map("".join)
)
def test_no_reply_breaks_the_reader(reply: str) -> None:
    move = read_move(reply)
    assert move is None or move.texts or move.explanation


def test_golden_investigate(snapshot: SnapshotAssertion) -> None:
    llm = Replies(tries("a cat sat", "", " "), "#!", ANSWER)
    investigated(llm, max_calls=3, n_records=2)
    turns = "\n---\n".join(f"{m.role}\n{m.content}" for m in llm.requests[-1].messages)
    assert turns == snapshot


@pytest.mark.parametrize("field", ["max_calls", "max_texts", "texts_per_call", "max_characters", "mark_from"])
def test_bad_values_are_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        InvestigateConfig(**{field: 0}).check()  # type: ignore[arg-type]
