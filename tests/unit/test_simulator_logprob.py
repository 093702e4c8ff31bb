"""The simulators that read log-probabilities or a table: questions, expected values, what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from neurogloss.builtin.simulators.configs import Layout, LogprobConfig, Mode, TableConfig
from neurogloss.builtin.simulators.logprob import LogprobSimulator, expected_levels, level_probabilities
from neurogloss.builtin.simulators.table import TableSimulator
from neurogloss.errors import ConfigError, PermanentError
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.simulator import Calibration
from neurogloss.records.explanations import Provenance, TokenTableExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import ChoiceReply, ChoiceRequest, GenerateReply, GenerateRequest
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import TokenSequence
from neurogloss.testing.records import prose_explanation, token_sequence, token_table_explanation

DIGITS = tuple("0123456789")


class Oracle(LanguageModel):
    """Gives each slot the log-probabilities that a function of its line makes."""

    capabilities = frozenset({"choice_logprobs"})

    def __init__(self, row: Callable[[str, int], Sequence[float]], usable: Sequence[str] = (*DIGITS, "10")) -> None:
        self.requests: list[ChoiceRequest] = []
        self._row = row
        self._usable = usable

    def identity(self) -> Mapping[str, str]:
        return {"model": "oracle"}

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        raise AssertionError("only choices are asked for")

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(choice for choice in choices if choice in self._usable)

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        self.requests.append(request)
        lines = [piece.rpartition("\n")[2] for piece in request.pieces[:-1]]
        return ChoiceReply(np.array([self._row(line, len(request.choices)) for line in lines]))


def certain(line: str, n_choices: int) -> list[float]:
    """Level 9 at cats, 0 elsewhere."""
    return [0.0 if level == (9 if " cat" in line else 0) else -np.inf for level in range(n_choices)]


def mute(line: str, n_choices: int) -> list[float]:
    return [-np.inf] * n_choices


CAT = token_sequence(["The", " cat", "\n", " 🐈", "."], id=3)


async def one(llm: Oracle, sequence: TokenSequence = CAT, config: LogprobConfig | None = None) -> Simulation | Failure:
    simulator = LogprobSimulator(config or LogprobConfig(), llm)
    (outcome,) = await simulator.simulate(prose_explanation("words about cats"), [sequence])
    return outcome


def test_the_expected_value_is_taken_among_the_levels() -> None:
    logprobs = np.full((1, 11), -np.inf)
    logprobs[0, [0, 10, 3]] = np.log([0.5, 0.25, 0.05])
    assert expected_levels(level_probabilities(logprobs, 1e-3))[0] == pytest.approx(3.3125)


def test_a_slot_without_enough_probability_has_no_answer() -> None:
    logprobs = np.log([[0.0004, 0.0005], [0.0005, 0.0005], [0.5, 0.5]])
    probabilities = level_probabilities(logprobs, 1e-3)
    assert np.isnan(probabilities[0]).all()
    assert expected_levels(probabilities).tolist()[1:] == [0.5, 0.5]
    assert np.isnan(level_probabilities(np.full((1, 3), -np.inf), 0.0)).all()


async def test_each_piece_is_asked_about_once_and_answers_all_its_tokens() -> None:
    llm = Oracle(certain)
    simulation = await one(llm)
    (request,) = llm.requests
    assert [piece.rpartition("\n")[2] for piece in request.pieces] == [
        "The =>", " cat =>", "\\n =>", " 🐈 =>", ". =>", ""
    ]  # fmt: skip
    assert request.pieces[1:] == ("\n cat =>", "\n\\n =>", "\n 🐈 =>", "\n. =>", "\n")
    assert isinstance(simulation, Simulation)
    assert (simulation.sequence_id, simulation.top_level, simulation.n_unparsable) == (3, 10, 0)
    np.testing.assert_array_equal(simulation.expected, [np.nan, 0, 9, 0, 0, 0, 0])
    assert simulation.distribution is not None
    assert simulation.distribution.shape == (7, 11)
    assert np.isnan(simulation.distribution[0]).all()
    assert simulation.distribution[2].tolist() == [0.0] * 9 + [1.0, 0.0]


@pytest.mark.parametrize(("mode", "fill"), [(Mode.ALL_AT_ONCE, "unknown"), (Mode.ONE_AT_A_TIME, None)])
async def test_the_mode_decides_what_fills_the_slots(mode: Mode, fill: str | None) -> None:
    llm = Oracle(certain)
    await one(llm, config=LogprobConfig(mode=mode))
    assert llm.requests[0].fill == fill
    assert ("unknown" in llm.requests[0].pieces[0]) is (fill is not None)


async def test_the_compact_layout_has_one_placeholder_for_a_token() -> None:
    llm = Oracle(certain)
    await one(llm, config=LogprobConfig(layout=Layout.COMPACT))
    (request,) = llm.requests
    assert request.pieces[0].endswith("responds to words about cats\n\nResponses:\nThe")
    assert (request.pieces[1:], request.fill) == ((" cat", "\\n", " 🐈", ".", ""), " _")
    with pytest.raises(ConfigError, match="layout is compact"):
        LogprobConfig(layout=Layout.COMPACT, mode=Mode.ONE_AT_A_TIME).check()


async def test_the_scale_ends_at_nine_where_ten_is_no_token() -> None:
    llm = Oracle(certain, usable=DIGITS)
    simulation = await one(llm)
    assert isinstance(simulation, Simulation)
    assert simulation.top_level == 9
    assert llm.requests[0].choices == DIGITS
    assert "=>10" not in llm.requests[0].pieces[0]
    ten = Oracle(certain)
    await one(ten)
    assert ten.requests[0].choices == (*DIGITS, "10")
    assert "=>10" in ten.requests[0].pieces[0]


async def test_a_model_without_digits_cannot_simulate() -> None:
    outcome = await one(Oracle(certain, usable=("0", "1")))
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.FAILED


async def test_sequences_share_all_that_stands_before_their_first_token() -> None:
    llm = Oracle(certain)
    other = token_sequence(["A", " dog"], id=4)
    await LogprobSimulator(LogprobConfig(), llm).simulate(prose_explanation("words about cats"), [CAT, other])
    first, second = (request.pieces[0] for request in llm.requests)
    assert first.removesuffix("The =>") == second.removesuffix("A =>")
    assert first.rstrip().endswith("responds to words about cats\n\nResponses:\nThe =>")


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("chat", [False, True])
async def test_several_sequences_in_a_request_are_answered_like_each_alone(layout: Layout, chat: bool) -> None:
    sequences = [CAT, token_sequence([], id=5), token_sequence(["A", " dog"], id=4), token_sequence([" cat"], id=6)]
    together, alone = Oracle(certain), Oracle(certain)
    config, gloss = LogprobConfig(layout=layout, chat=chat), prose_explanation("words about cats")
    of_two = await LogprobSimulator(replace(config, sequences_per_request=2), together).simulate(gloss, sequences)
    of_one = await LogprobSimulator(config, alone).simulate(gloss, sequences)
    assert [len(request.pieces) - 1 for request in together.requests] == [7, 1]
    assert [isinstance(outcome, Failure) for outcome in of_two] == [False, True, False, False]
    for ours, theirs in zip(of_two, of_one, strict=True):
        if isinstance(ours, Simulation) and isinstance(theirs, Simulation):
            assert ours.sequence_id == theirs.sequence_id
            np.testing.assert_array_equal(ours.expected, theirs.expected)
    text = "<slot>".join(together.requests[0].pieces)
    assert "<slot>\n\nUnit 4 responds to words about cats\n\nResponses:\nA" in text
    assert text.count("words about cats") == (1 if chat else 2)


async def test_where_a_request_fails_all_its_sequences_do() -> None:
    class FailsAtDogs(Oracle):
        async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
            if any("dog" in piece for piece in request.pieces):
                raise PermanentError("no dogs")
            return await super().choice_logprobs(request)

    sequences = [CAT, CAT, token_sequence(["A", " dog"], id=4), CAT, CAT]
    simulator = LogprobSimulator(LogprobConfig(sequences_per_request=2), FailsAtDogs(certain))
    outcomes = await simulator.simulate(prose_explanation("words about cats"), sequences)
    assert [isinstance(outcome, Failure) for outcome in outcomes] == [False, False, True, True, False]


@pytest.mark.parametrize(("number", "mode"), [(0, Mode.ALL_AT_ONCE), (2, Mode.ONE_AT_A_TIME)])
def test_how_many_sequences_a_request_can_ask_about(number: int, mode: Mode) -> None:
    with pytest.raises(ConfigError, match=f"sequences_per_request is {number}"):
        LogprobConfig(sequences_per_request=number, mode=mode).check()


async def test_chat_sends_the_instructions_as_messages() -> None:
    llm = Oracle(certain)
    await one(llm, config=LogprobConfig(chat=True))
    (request,) = llm.requests
    assert request.pieces[0] == "Responses:\nThe =>"
    assert [message.role for message in request.messages] == ["system", *["user", "assistant"] * 6, "user"]


async def test_an_explanation_cannot_begin_a_line() -> None:
    llm = Oracle(certain)
    await LogprobSimulator(LogprobConfig(), llm).simulate(prose_explanation("cats\n\nResponses:\n cat =>9"), [CAT])
    assert "responds to cats Responses: cat =>9\n" in llm.requests[0].pieces[0]


async def test_missing_answers_are_nan_and_counted_by_token() -> None:
    simulation = await one(Oracle(lambda line, n: mute(line, n) if "🐈" in line else certain(line, n)))
    assert isinstance(simulation, Simulation)
    np.testing.assert_array_equal(simulation.expected, [np.nan, 0, 9, 0, np.nan, np.nan, 0])
    assert (simulation.n_unparsable, simulation.n_failed) == (2, 0)


async def test_a_sequence_without_any_answer_is_a_failure() -> None:
    outcome = await one(Oracle(mute))
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.UNPARSABLE


async def test_a_failed_call_fails_its_sequence_alone() -> None:
    def fails_on_dogs(line: str, n_choices: int) -> list[float]:
        if "dog" in line:
            raise PermanentError("too long")
        return certain(line, n_choices)

    simulator = LogprobSimulator(LogprobConfig(), Oracle(fails_on_dogs))
    failed, simulation = await simulator.simulate(prose_explanation(), [token_sequence([" dog"]), CAT])
    assert failed == Failure(Reason.FAILED, "too long")
    assert isinstance(simulation, Simulation)


async def test_other_types_of_explanation_are_a_mismatch() -> None:
    (outcome,) = await LogprobSimulator(LogprobConfig(), Oracle(certain)).simulate(token_table_explanation(), [CAT])
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.MISMATCHED
    (outcome,) = await TableSimulator(TableConfig()).simulate(prose_explanation(), [CAT])
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.MISMATCHED


def test_calibration_is_the_configurations() -> None:
    assert (
        LogprobSimulator(LogprobConfig(calibration=Calibration.LINEAR), Oracle(mute)).calibration is Calibration.LINEAR
    )
    assert TableSimulator(TableConfig(calibration=Calibration.PERCENTILE)).calibration is Calibration.PERCENTILE


def test_a_mass_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ConfigError, match="minimum_mass"):
        LogprobConfig(minimum_mass=1.0).check()


async def test_the_table_is_looked_up_by_token_id() -> None:
    ids = CAT.token_ids
    order = np.argsort(ids[[2, 5]])
    table = TokenTableExplanation(
        Provenance("token_table"),
        ids[[2, 5]][order],
        tuple(np.array([" cat", " 🐈"])[order]),
        np.array([4.0, 2.5])[order],
        default=0.25,
    )
    (simulation,) = await TableSimulator(TableConfig()).simulate(table, [CAT])
    assert isinstance(simulation, Simulation)
    np.testing.assert_array_equal(simulation.expected, [np.nan, 0.25, 4.0, 0.25, 0.25, 2.5, 0.25])
    assert (simulation.top_level, simulation.distribution) == (None, None)
