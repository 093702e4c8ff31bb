"""The contract of a language model."""

from __future__ import annotations

import numpy as np
import pytest

from neurogloss.errors import LanguageModelError, PermanentError
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, JSON_SCHEMA, LanguageModel
from neurogloss.interfaces.text_logprobs import TEXT_LOGPROBS, TextLogprobs
from neurogloss.records.documents import Message
from neurogloss.records.requests import (
    ChoiceReply,
    ChoiceRequest,
    GenerateReply,
    GenerateRequest,
    TextReply,
    TextRequest,
)
from neurogloss.testing.contract import Contract, check_identity, overlapped, override_fixture, run

_LEVELS = tuple(str(level) for level in range(11))
_PIECES = ("Numbers from 0 to 9.\ncat\t", "\ndog\t", "\nriver\t", "\n")
_PARTS = (
    ("Numbers and animals:\n", "cat and river\ndog and barn\n"),
    ("Numbers and animals:\n", "cat and river\n"),
    ("Numbers and animals:\ncat and river\n", "dog and barn\n"),
)
"""Contexts and texts: a whole, its first part, and what follows that."""
_NO_TOKEN = "a choice as long as this one is a token of nobody"


class LanguageModelContract(Contract):
    """What every language model does.

    ```
    class TestMine(LanguageModelContract):
        @pytest.fixture
        def llm(self):
            return MyLanguageModel(MyConfig(model=...))
    ```
    A backend that cannot repeat a reply overrides `deterministic`. Override `failing_llm` with a
    model all of whose calls fail (a wrong key, a stopped server): without it one test is skipped.
    """

    @pytest.fixture
    def llm(self) -> LanguageModel:
        """The language model."""
        override_fixture("LanguageModelContract", "llm")

    @pytest.fixture
    def failing_llm(self) -> LanguageModel:
        """A language model all of whose calls fail."""
        pytest.skip("override the fixture failing_llm")

    @pytest.fixture
    def deterministic(self) -> bool:
        """Whether equal requests get equal replies."""
        return True

    @pytest.fixture
    def tolerance(self) -> float:
        """How much log-probabilities of equal requests may differ, batched otherwise or not."""
        return 1e-3

    def test_capabilities_are_known(self, llm: LanguageModel) -> None:
        assert isinstance(llm.capabilities, frozenset)
        assert llm.capabilities
        assert llm.capabilities <= {GENERATE, CHOICE_LOGPROBS, JSON_SCHEMA, TEXT_LOGPROBS}
        assert TEXT_LOGPROBS not in llm.capabilities or isinstance(llm, TextLogprobs)

    def test_identity_is_portable(self, llm: LanguageModel) -> None:
        check_identity(llm.identity())
        assert dict(llm.identity()) == dict(llm.identity())

    @pytest.mark.parametrize("n", [1, 3])
    def test_generate_gives_n_texts(self, llm: LanguageModel, n: int) -> None:
        if GENERATE not in llm.capabilities:
            pytest.skip("generates no text")
        reply = run(llm.generate(_generate(n=n, temperature=1.0)))
        assert isinstance(reply, GenerateReply)
        assert len(reply.completions) == n
        for completion in reply.completions:
            assert isinstance(completion.text, str)
            assert completion.finish_reason in ("stop", "length", "refusal")

    def test_usage_is_counted_or_none(self, llm: LanguageModel) -> None:
        usage = run(llm.generate(_generate(n=2))).usage if GENERATE in llm.capabilities else run(_ask(llm)).usage
        for count in (usage.prompt_tokens, usage.cached_prompt_tokens, usage.completion_tokens):
            assert count is None or count >= 0
        if usage.completion_tokens is not None:
            assert usage.completion_tokens <= 2 * _generate().max_tokens
        if usage.prompt_tokens is not None and usage.cached_prompt_tokens is not None:
            assert usage.cached_prompt_tokens <= usage.prompt_tokens

    def test_equal_requests_get_equal_texts(self, llm: LanguageModel, deterministic: bool) -> None:
        if GENERATE not in llm.capabilities or not deterministic:
            pytest.skip("cannot repeat a text")
        for request in (_generate(), _generate(n=2, temperature=1.0, seed=7)):
            first, second = (run(llm.generate(request)) for _ in range(2))
            assert first.completions == second.completions

    def test_usable_choices_are_some_of_those_asked(self, llm: LanguageModel) -> None:
        if CHOICE_LOGPROBS not in llm.capabilities:
            pytest.skip("tells no log-probabilities")
        usable = run(llm.usable_choices(_LEVELS))
        assert usable, "no digit can be used"
        assert usable == tuple(choice for choice in _LEVELS if choice in usable), "in the order asked"
        assert run(llm.usable_choices(usable)) == usable

    def test_logprobs_have_a_row_per_slot(self, llm: LanguageModel) -> None:
        if CHOICE_LOGPROBS not in llm.capabilities:
            pytest.skip("tells no log-probabilities")
        for pieces in (_PIECES, _PIECES[:2]):
            for fill in ("unknown", None):
                reply = run(_ask(llm, pieces, fill=fill))
                assert isinstance(reply, ChoiceReply)
                n_choices = len(run(llm.usable_choices(_LEVELS)))
                assert reply.logprobs.shape == (len(pieces) - 1, n_choices)
                assert reply.logprobs.dtype == np.float64

    def test_logprobs_are_of_probabilities(self, llm: LanguageModel) -> None:
        if CHOICE_LOGPROBS not in llm.capabilities:
            pytest.skip("tells no log-probabilities")
        logprobs = run(_ask(llm)).logprobs
        assert not np.isnan(logprobs).any()
        assert (logprobs <= 1e-6).all(), "log-probabilities are at most 0"
        assert (np.exp(logprobs).sum(axis=1) <= 1 + 1e-4).all(), "distinct choices hold at most all probability"

    def test_columns_follow_the_choices(self, llm: LanguageModel, deterministic: bool, tolerance: float) -> None:
        if CHOICE_LOGPROBS not in llm.capabilities or not deterministic:
            pytest.skip("cannot repeat log-probabilities")
        forwards, backwards = run(_ask(llm)).logprobs, run(_ask(llm, backwards=True)).logprobs
        np.testing.assert_allclose(backwards[:, ::-1], forwards, atol=tolerance, rtol=0)

    def test_a_text_is_as_likely_as_its_parts_in_turn(self, llm: LanguageModel, tolerance: float) -> None:
        if not isinstance(llm, TextLogprobs) or TEXT_LOGPROBS not in llm.capabilities:
            pytest.skip("does not tell how likely a text is")
        whole, first, second = (run(llm.text_logprobs(TextRequest(*parts))) for parts in _PARTS)
        for reply in (whole, first, second):
            assert isinstance(reply, TextReply)
            assert reply.logprob <= 0
            assert reply.n_tokens > 0
        assert whole.n_tokens == first.n_tokens + second.n_tokens
        np.testing.assert_allclose(whole.logprob, first.logprob + second.logprob, atol=tolerance, rtol=0)
        assert run(llm.text_logprobs(TextRequest(*_PARTS[0]))).logprob == pytest.approx(whole.logprob, abs=tolerance)

    def test_overlapping_calls_do_not_mix(self, llm: LanguageModel, deterministic: bool, tolerance: float) -> None:
        if GENERATE in llm.capabilities:
            sizes = (1, 3, 2)
            texts = overlapped(*(llm.generate(_generate(n=n)) for n in sizes))
            assert [len(reply.completions) for reply in texts] == list(sizes)
            if deterministic:
                alone = [run(llm.generate(_generate(n=n))) for n in sizes]
                assert [reply.completions for reply in texts] == [reply.completions for reply in alone]
        if CHOICE_LOGPROBS in llm.capabilities:
            asked = [_PIECES[:stop] for stop in (2, 4, 3)]
            choices = overlapped(*(_ask(llm, pieces) for pieces in asked))
            assert [len(reply.logprobs) for reply in choices] == [len(pieces) - 1 for pieces in asked]
            for pieces, reply in zip(asked, choices, strict=True):
                if deterministic:
                    np.testing.assert_allclose(reply.logprobs, run(_ask(llm, pieces)).logprobs, atol=tolerance, rtol=0)

    def test_a_choice_of_many_tokens_is_refused(self, llm: LanguageModel) -> None:
        if CHOICE_LOGPROBS not in llm.capabilities:
            pytest.skip("tells no log-probabilities")
        usable = run(llm.usable_choices(("1", _NO_TOKEN)))
        if _NO_TOKEN not in usable:
            with pytest.raises(PermanentError):
                run(llm.choice_logprobs(ChoiceRequest(_PIECES, ("1", _NO_TOKEN), fill="unknown")))

    def test_what_it_cannot_do_it_does_not_do(self, llm: LanguageModel) -> None:
        if CHOICE_LOGPROBS not in llm.capabilities:
            with pytest.raises((NotImplementedError, LanguageModelError)):
                run(llm.choice_logprobs(ChoiceRequest(_PIECES, ("1", "2"), fill="unknown")))
        if GENERATE not in llm.capabilities:
            with pytest.raises((NotImplementedError, LanguageModelError)):
                run(llm.generate(_generate()))

    def test_failed_calls_raise_language_model_errors(self, failing_llm: LanguageModel) -> None:
        if GENERATE in failing_llm.capabilities:
            with pytest.raises(LanguageModelError):
                run(failing_llm.generate(_generate()))
        if CHOICE_LOGPROBS in failing_llm.capabilities:
            with pytest.raises(LanguageModelError):
                run(failing_llm.choice_logprobs(ChoiceRequest(_PIECES, ("1", "2"), fill="unknown")))

    def test_it_can_be_closed(self, llm: LanguageModel) -> None:
        run(llm.close())


def _generate(n: int = 1, temperature: float = 0.0, seed: int = 0) -> GenerateRequest:
    messages = (Message("user", "Name an animal that lives in a barn."),)
    return GenerateRequest(messages, max_tokens=8, temperature=temperature, seed=seed, n=n)


async def _ask(
    llm: LanguageModel, pieces: tuple[str, ...] = _PIECES, *, backwards: bool = False, fill: str | None = "unknown"
) -> ChoiceReply:
    choices = await llm.usable_choices(_LEVELS)
    return await llm.choice_logprobs(ChoiceRequest(pieces, choices[::-1] if backwards else choices, fill))
