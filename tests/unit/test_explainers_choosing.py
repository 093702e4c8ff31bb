"""best_of and revise: candidates are scored on `valid`, the best is kept, and all of them are told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from neurogloss.builtin.explainers.best_of import BestOfExplainer
from neurogloss.builtin.explainers.choosing import Tried
from neurogloss.builtin.explainers.configs import BestOfConfig, ReviseConfig, WrittenConfig
from neurogloss.builtin.explainers.revise import Error, ReviseExplainer
from neurogloss.builtin.explainers.written import WrittenExplainer
from neurogloss.builtin.scorers.configs import SimulationScorerConfig
from neurogloss.builtin.scorers.simulation import SimulationScorer
from neurogloss.errors import ConfigError, PermanentError
from neurogloss.interfaces.explainer import Explainer
from neurogloss.interfaces.scorer import Scorer, Verdict
from neurogloss.interfaces.simulator import Simulator
from neurogloss.records.explanations import Explanation, ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import Completion, GenerateReply, GenerateRequest
from neurogloss.records.scores import Measure, Score
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import Split, TokenSequence
from neurogloss.records.unit_records import SplitView
from neurogloss.testing.fakes import FakeLanguageModel
from neurogloss.testing.records import prose_explanation, token_table_explanation, unit_record


class Says(Explainer):
    """Gives these outcomes; a text becomes prose."""

    def __init__(self, *outcomes: str | Failure) -> None:
        self._outcomes = outcomes

    async def explain(self, view: SplitView) -> tuple[Explanation | Failure, ...]:
        assert view.split is Split.EXPLAIN
        return tuple(
            ProseExplanation(Provenance("says", "model", "hash", sample=i), outcome)
            if isinstance(outcome, str)
            else outcome
            for i, outcome in enumerate(self._outcomes)
        )


class ByText(Scorer):
    """Scores a gloss as a table says."""

    def __init__(self, values: Mapping[str, float | Failure]) -> None:
        self._values = values

    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        assert view.split is Split.VALID
        value = self._values[explanation.summary()]
        return Verdict(value if isinstance(value, Failure) else Score("by_text", "x", {"x": Measure(value)}))


class WordsInText(Simulator):
    """Level 10 at every token whose word the gloss names."""

    accepts = (ProseExplanation,)

    async def simulate(
        self, explanation: Explanation, sequences: Sequence[TokenSequence]
    ) -> tuple[Simulation | Failure, ...]:
        assert isinstance(explanation, ProseExplanation)
        words = set(explanation.text.split())
        return tuple(
            Simulation(s.id, s.per_token([10.0 * (piece.text.strip() in words) for piece in s.pieces]), 10)
            for s in sequences
        )


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


def explained(explainer: Explainer) -> Explanation | Failure:
    (outcome,) = asyncio.run(explainer.explain(unit_record().view(Split.EXPLAIN)))
    return outcome


def best_of(values: Mapping[str, float | Failure], *of: Explainer) -> Explanation | Failure:
    return explained(BestOfExplainer(BestOfConfig(), of if len(of) > 1 else of[0], ByText(values)))


def test_the_best_on_valid_is_kept_and_all_are_told() -> None:
    refused = Failure(Reason.REFUSED, "no")
    outcome = best_of({"a": 0.1, "b": 0.7, "c": 0.7}, Says("a", refused, "b", "c"))
    assert isinstance(outcome, ProseExplanation)
    assert outcome.text == "b"
    provenance = outcome.provenance
    assert (provenance.explainer, provenance.llm, provenance.sample) == ("best_of", "model", 0)
    assert [(c.text, c.value, c.chosen) for c in provenance.candidates] == [
        ("a", 0.1, False),
        ("", None, False),
        ("b", 0.7, True),
        ("c", 0.7, False),
    ]
    assert provenance.candidates[1].failure == refused


def test_several_explainers_compete() -> None:
    outcome = best_of({"a": 0.1, "b": 0.2}, Says("a"), Says("b"))
    assert isinstance(outcome, ProseExplanation)
    assert outcome.text == "b"


def test_failed_candidates_do_not_win_and_do_not_end_it() -> None:
    outcome = best_of({"a": Failure(Reason.FAILED, "call"), "b": -0.5}, Says("a", "b"))
    assert isinstance(outcome, ProseExplanation)
    assert outcome.text == "b"


def test_without_any_candidate_the_failure_is_told() -> None:
    refused = Failure(Reason.REFUSED, "no")
    assert best_of({}, Says(refused, Failure(Reason.FAILED, "call"))) == refused


def test_a_scorer_that_a_model_failed_is_a_failure_that_can_be_retried() -> None:
    failed = Failure(Reason.FAILED, "call")
    assert best_of({"a": failed}, Says("a")) == failed


def test_a_unit_that_valid_says_nothing_of_keeps_the_first_candidate() -> None:
    dead = Failure(Reason.DEAD, "never above 0 in split valid")
    outcome = best_of({"a": dead, "b": dead}, Says("a", "b"))
    assert isinstance(outcome, ProseExplanation)
    assert outcome.text == "a"
    assert [c.failure for c in outcome.provenance.candidates] == [dead, dead]


def simulation_scorer() -> SimulationScorer:
    return SimulationScorer(SimulationScorerConfig(n_bootstrap=0, n_permutations=0), WordsInText())


def revised(llm: FakeLanguageModel, of: Explainer, n_rounds: int = 2) -> Explanation | Failure:
    return explained(ReviseExplainer(ReviseConfig(n_rounds=n_rounds), llm, of, simulation_scorer()))


def test_a_revision_sees_the_errors_and_the_best_is_kept() -> None:
    llm = Replies("This unit responds to cat dog", "This unit responds to the")
    outcome = revised(llm, Says("cat miller"))
    assert isinstance(outcome, ProseExplanation)
    assert outcome.text == "cat dog"
    assert [c.text for c in outcome.provenance.candidates] == ["cat miller", "cat dog", "the"]
    assert [c.chosen for c in outcome.provenance.candidates] == [False, True, False]
    values = [c.value or 0.0 for c in outcome.provenance.candidates]
    assert values[1] > values[0] > values[2]
    first, second = (request.messages[-1].content for request in llm.requests)
    assert "This unit responds to cat miller" in first
    assert "[[ dog]]" in first.partition("A response was foreseen")[0]
    assert "[[ miller]]" in first.partition("A response was foreseen")[2]
    assert "This unit responds to cat dog\n" in second
    assert "This unit responds to cat miller (score" in second
    assert [request.seed for request in llm.requests] == [0, 1]


def test_without_errors_nothing_is_asked() -> None:
    llm = Replies()
    outcome = explained(ReviseExplainer(ReviseConfig(least_error=10), llm, Says("cat dog 🐈"), simulation_scorer()))
    assert isinstance(outcome, ProseExplanation)
    assert llm.requests == []


def test_a_failed_revision_is_told_and_what_there_is_is_kept() -> None:
    llm = Replies("#!")
    outcome = revised(llm, Says("cat"))
    assert isinstance(outcome, ProseExplanation)
    assert outcome.text == "cat"
    failure = outcome.provenance.candidates[1].failure
    assert failure is not None
    assert failure.reason is Reason.UNPARSABLE
    assert llm.rejected == llm.requests


def test_only_prose_is_revised() -> None:
    class Table(Explainer):
        async def explain(self, view: SplitView) -> tuple[Explanation | Failure, ...]:
            return (token_table_explanation(),)

    outcome = revised(Replies(), Table())
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.MISMATCHED


def test_errors_are_levels_of_the_largest_value_of_valid() -> None:
    explainer = ReviseExplainer(ReviseConfig(window=4, n_errors=1), Replies(), Says(), simulation_scorer())
    view = unit_record().view(Split.VALID)
    verdict = asyncio.run(simulation_scorer().score(ProseExplanation(Provenance("x"), "dog miller"), view))
    missed, unfounded = explainer.errors(Tried(ProseExplanation(Provenance("x"), "dog miller"), verdict), view)
    # The cat has the largest value, 4, hence level 10; nothing was foreseen there.
    assert [(e.token, e.real, e.simulated) for e in missed] == [(" cat", 10, 0)]
    assert missed[0].before.startswith("The")
    # The miller was foreseen at level 10, where the unit is 0.
    assert [(e.token, e.real, e.simulated) for e in unfounded] == [(" miller", 0, 10)]


def test_golden_revise(snapshot: SnapshotAssertion) -> None:
    explainer = ReviseExplainer(ReviseConfig(), Replies(), Says(), simulation_scorer())
    current = Tried(
        ProseExplanation(Provenance("x"), "animals\nin barns"), Verdict(Score("s", "x", {"x": Measure(0.314)}))
    )
    worse = Tried(ProseExplanation(Provenance("x"), "barns"), Verdict(Score("s", "x", {"x": Measure(-0.2)})))
    unscored = replace(worse, verdict=Verdict(Failure(Reason.CONSTANT, "x")))
    conversation = explainer.conversation(
        current,
        [worse, current, unscored],
        [Error("The", " cat", " sleeps\\n", 10, 0)],
        [Error("by the", " barn", "", 0, 7)],
    )
    assert "\n---\n".join(f"{m.role}\n{m.content}" for m in conversation.messages) == snapshot
    assert conversation.opening == "This unit responds to"


@pytest.mark.parametrize("config", [BestOfConfig(by=["a"]), ReviseConfig(of=["a"]), ReviseConfig(n_rounds=0)])
def test_bad_values_are_refused(config: BestOfConfig | ReviseConfig) -> None:
    with pytest.raises(ConfigError):
        config.check()


def test_a_written_gloss_can_be_revised() -> None:
    outcome = revised(Replies("This unit responds to cat dog"), WrittenExplainer(WrittenConfig(text="cat")), n_rounds=1)
    assert isinstance(outcome, ProseExplanation)
    assert outcome.text == "cat dog"


def test_what_does_not_simulate_shows_no_errors() -> None:
    explainer = ReviseExplainer(ReviseConfig(), Replies(), Says(), simulation_scorer())
    tried = Tried(prose_explanation(), Verdict(Failure(Reason.FAILED, "without simulations")))
    with pytest.raises(ConfigError, match="by is a scorer that does not simulate"):
        explainer.errors(tried, unit_record().view(Split.VALID))
