"""The built-in explainers: what they ask, what they read in a reply, and when there is no explanation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from neurogloss.builtin.explainers.asking import read_gloss, text_of
from neurogloss.builtin.explainers.asking_configs import TokenActivationConfig
from neurogloss.builtin.explainers.configs import RandomTextConfig, TokenTableConfig
from neurogloss.builtin.explainers.random_text import GLOSSES, RandomTextExplainer
from neurogloss.builtin.explainers.token_activation import ShownUnit, TokenActivationExplainer
from neurogloss.builtin.explainers.token_table import TokenTableExplainer
from neurogloss.errors import ConfigError, LanguageModelError, TransientError
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.explanations import ProseExplanation, TokenTableExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import Completion, GenerateReply, GenerateRequest
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitRecords, SplitView, TokenMeans, UnitRecord
from neurogloss.records.units import UnitId
from neurogloss.testing.records import token_sequence, unit_record

OPENING = "This unit responds to"


class Scripted(LanguageModel):
    """Answers with what a function makes of the request, and remembers the requests."""

    capabilities = frozenset({"generate"})

    def __init__(self, answer: Callable[[GenerateRequest], GenerateReply]) -> None:
        self.requests: list[GenerateRequest] = []
        self._answer = answer

    def identity(self) -> Mapping[str, str]:
        return {"backend": "here", "model": "scripted", "revision": "", "dtype": "none"}

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        self.requests.append(request)
        return self._answer(request)


def says(text: str, finish_reason: str = "stop") -> Scripted:
    return Scripted(lambda request: GenerateReply((Completion(text, finish_reason),)))


def view(*rows: list[float], split: Split = Split.EXPLAIN) -> SplitView:
    """A unit whose top records hold these values at the tokens a, b, c, ..."""
    top = []
    for n, row in enumerate(rows):
        sequence = token_sequence([f" {chr(97 + i)}{n}" for i in range(len(row))], id=n, bos=False)
        top.append(ActivationRecord(sequence, np.array(row, dtype=np.float32), np.ones(len(row), dtype=bool)))
    template = unit_record()
    return UnitRecord(template.unit, template.statistics, {Split.EXPLAIN: SplitRecords(tuple(top))}).view(split)


def question(llm: Scripted) -> str:
    return llm.requests[0].messages[-1].content


async def test_levels_share_one_maximum_over_the_shown_records() -> None:
    llm = says("cats")
    await TokenActivationExplainer(TokenActivationConfig(repeat_below=0), llm).explain(
        view([-1, 0.05, 1.0], [0.5, 0.99, 0.1])
    )
    assert question(llm) == (
        "Passage 1\n a0\t0\n b0\t0\n c0\t10\n\nPassage 2\n a1\t5\n b1\t9\n c1\t1\n\nWhat does this unit respond to?"
    )


async def test_only_the_first_records_are_shown() -> None:
    llm = says("cats")
    await TokenActivationExplainer(TokenActivationConfig(n_records=2), llm).explain(view([4, 0], [2, 0], [1, 0]))
    assert "Passage 2" in question(llm)
    assert "Passage 3" not in question(llm)


async def test_a_window_is_cut_around_the_maximum() -> None:
    llm = says("cats")
    await TokenActivationExplainer(TokenActivationConfig(window=3, repeat_below=0), llm).explain(
        view([0, 0, 0, 7, 0, 0, 0])
    )
    assert question(llm) == "Passage 1\n c0\t0\n d0\t10\n e0\t0\n\nWhat does this unit respond to?"


@pytest.mark.parametrize(("n_above", "n", "repeated"), [(1, 6, True), (1, 5, False), (2, 11, True), (2, 9, False)])
async def test_nonzero_tokens_are_repeated_when_their_share_is_under_a_fifth(
    n_above: int, n: int, repeated: bool
) -> None:
    llm = says("cats")
    values = [5.0] * n_above + [0.0] * (n - n_above)
    await TokenActivationExplainer(TokenActivationConfig(), llm).explain(view(values))
    assert question(llm).splitlines().count(" a0\t10") == (2 if repeated else 1)
    assert ("once more:" in question(llm)) is repeated


def test_the_share_is_taken_over_all_passages() -> None:
    assert ShownUnit([[("a", 1)], [("b", 0)] * 5], 0.2).sparse
    assert not ShownUnit([[("a", 1)], [("b", 0)] * 4], 0.2).sparse


async def test_one_sample_is_greedy_and_short() -> None:
    llm = says("This unit responds to cats")
    (outcome,) = await TokenActivationExplainer(TokenActivationConfig(seed=5), llm).explain(view([1, 0]))
    (request,) = llm.requests
    assert (request.temperature, request.max_tokens, request.seed, request.n) == (0.0, 60, 5, 1)
    assert [message.role for message in request.messages] == ["system", *["user", "assistant"] * 3, "user"]
    assert isinstance(outcome, ProseExplanation)
    assert outcome.text == "cats"
    assert outcome.provenance.llm == "here/scripted/none"
    assert (outcome.provenance.explainer, outcome.provenance.seed) == ("token_activation", 5)
    assert len(outcome.provenance.prompt_hash) == 64


@pytest.mark.parametrize(("examples", "n_turns"), [(None, 3), (1, 1), (0, 0)])
async def test_as_many_examples_are_shown_as_are_asked_for(examples: int | None, n_turns: int) -> None:
    llm = says("cats")
    await TokenActivationExplainer(TokenActivationConfig(examples=examples), llm).explain(view([1, 0]))
    assert len([m for m in llm.requests[0].messages[:-1] if m.role == "assistant"]) == n_turns


async def test_samples_differ_in_their_seed() -> None:
    def answer(request: GenerateRequest) -> GenerateReply:
        if request.seed == 8:
            raise TransientError("busy")
        return GenerateReply((Completion(f"gloss of seed {request.seed}"),))

    llm = Scripted(answer)
    outcomes = await TokenActivationExplainer(TokenActivationConfig(samples=3, seed=7), llm).explain(view([1, 0]))
    assert {request.temperature for request in llm.requests} == {1.0}
    first, failed, last = outcomes
    assert failed == Failure(Reason.FAILED, "busy")
    assert isinstance(first, ProseExplanation)
    assert isinstance(last, ProseExplanation)
    assert (first.text, first.provenance.seed, first.provenance.sample) == ("gloss of seed 7", 7, 0)
    assert (last.text, last.provenance.seed, last.provenance.sample) == ("gloss of seed 9", 9, 2)


async def test_a_temperature_that_is_set_is_kept() -> None:
    llm = says("cats")
    await TokenActivationExplainer(TokenActivationConfig(samples=2, temperature=0.3), llm).explain(view([1, 0]))
    assert [request.temperature for request in llm.requests] == [0.3, 0.3]


@pytest.mark.parametrize(
    ("reply", "gloss"),
    [
        (" words about cats", "words about cats"),
        ('This unit responds to "words about cats".', "words about cats"),
        ('"This unit responds to words about cats"', "words about cats"),
        ("**this UNIT responds to** this unit responds to cats", "cats"),
        ("Sure! Here it is:\n\nThis unit responds to cats. It also likes dogs.", "cats."),
        ("cats\n\nUnit 5\nPassage 1", "cats"),
        ("Explanation:\ncats", "cats"),
        (" cats\t10\n dogs\t9", "cats"),
        ("1. cats\n2. dogs", "cats"),
        ("- *cats*", "cats"),
        ('the words "cat" and "dog"', 'the words "cat" and "dog"'),
        ('"cat" and "dog"', '"cat" and "dog"'),
        ("“猫 and what follows”", "猫 and what follows"),
        ("names of cities, e.g. Rome, in letters to Mr. Smith", "names of cities, e.g. Rome, in letters to Mr. Smith"),
    ],
)
def test_the_gloss_is_found_in_the_reply(reply: str, gloss: str) -> None:
    assert read_gloss(reply, OPENING) == gloss


@pytest.mark.parametrize(
    "reply", ["", " \n\t", "...", "10 0 0", "#!", OPENING, f"{OPENING} {OPENING}", '""', "the the the the the", "Ok:"]
)
def test_a_reply_that_says_nothing_is_unparsable(reply: str) -> None:
    outcome = read_gloss(reply, OPENING)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.UNPARSABLE


def test_no_completion_is_unparsable_and_a_refusal_is_a_refusal() -> None:
    nothing, refused = read_gloss(str(text_of(())), OPENING), text_of((Completion("I cannot", "refusal"),))
    assert isinstance(nothing, Failure)
    assert nothing.reason is Reason.UNPARSABLE
    assert isinstance(refused, Failure)
    assert refused.reason is Reason.REFUSED


async def test_there_is_no_question_about_a_dead_unit_or_too_few_records() -> None:
    llm = says("cats")
    config = TokenActivationConfig(samples=2, min_records=2)
    for unit, reason in ((view([0, -1], [-2, 0]), Reason.DEAD), (view([1, 0], [0, 0]), Reason.TOO_FEW_RECORDS)):
        outcomes = await TokenActivationExplainer(config, llm).explain(unit)
        assert [o.reason for o in outcomes if isinstance(o, Failure)] == [reason, reason]
    assert llm.requests == []


async def test_a_failure_tells_the_models_message() -> None:
    def answer(request: GenerateRequest) -> GenerateReply:
        raise LanguageModelError("The key is wrong.", remedy="Set KEY.")

    (outcome,) = await TokenActivationExplainer(TokenActivationConfig(), Scripted(answer)).explain(view([1, 0]))
    assert outcome == Failure(Reason.FAILED, "The key is wrong.\nSet KEY.")


@pytest.mark.parametrize(
    "config",
    [
        TokenActivationConfig(n_records=0),
        TokenActivationConfig(samples=0),
        TokenActivationConfig(window=0),
        TokenActivationConfig(repeat_below=1.5),
        TokenActivationConfig(temperature=-1.0),
        TokenTableConfig(min_count=0),
    ],
)
def test_values_out_of_range_are_refused(config: TokenActivationConfig | TokenTableConfig) -> None:
    with pytest.raises(ConfigError):
        config.check()


def table_view(split: Split = Split.EXPLAIN) -> SplitView:
    means = TokenMeans(np.array([3, 5, 8]), np.array([2.0, 9.0, 1.0]), np.array([4, 3, 1]))
    template = unit_record()
    vocabulary = {3: " a", 5: " b", 8: "c"}
    return UnitRecord(template.unit, template.statistics, template.splits, means, vocabulary).view(split)


async def test_the_token_table_holds_plain_means() -> None:
    (table,) = await TokenTableExplainer(TokenTableConfig()).explain(table_view())
    assert isinstance(table, TokenTableExplanation)
    assert (table.token_ids.tolist(), table.tokens, table.means.tolist()) == ([3, 5, 8], (" a", " b", "c"), [0.5, 3, 1])
    assert table.default == 1.5


async def test_rare_tokens_may_be_left_to_the_overall_mean() -> None:
    (table,) = await TokenTableExplainer(TokenTableConfig(min_count=3)).explain(table_view())
    assert isinstance(table, TokenTableExplanation)
    assert (table.token_ids.tolist(), table.tokens, table.default) == ([3, 5], (" a", " b"), 1.5)


async def test_no_table_without_means() -> None:
    for unit in (view([1.0]), table_view(Split.TEST)):
        (outcome,) = await TokenTableExplainer(TokenTableConfig()).explain(unit)
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.TOO_FEW_RECORDS
    assert TokenTableExplainer.needs_token_means


async def test_random_text_depends_on_the_name_and_the_seed_alone() -> None:
    async def gloss(unit: str, seed: int, value: float = 1.0) -> str:
        record = unit_record({"cat": value})
        named = UnitRecord(UnitId.parse(unit), record.statistics, record.splits)
        (outcome,) = await RandomTextExplainer(RandomTextConfig(seed)).explain(named.view(Split.EXPLAIN))
        assert isinstance(outcome, ProseExplanation)
        return outcome.text

    assert await gloss("layers.0.mlp/1", 0) == await gloss("layers.0.mlp/1", 0, value=3.0)
    drawn = {await gloss(f"layers.0.mlp/{i}", seed) for i in range(40) for seed in (0, 1)}
    assert 25 < len(drawn) <= len(GLOSSES)
    assert drawn <= set(GLOSSES)


def test_the_random_glosses_are_distinct_lines() -> None:
    assert len(set(GLOSSES)) == len(GLOSSES) == 60
    assert all(gloss == gloss.strip() and len(gloss) > 10 for gloss in GLOSSES)
