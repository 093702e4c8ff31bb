"""Prose that is shown its own errors, and revised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurogloss.builtin.explainers.asking import read_gloss, text_of
from neurogloss.builtin.explainers.choosing import Tried, best, chosen
from neurogloss.builtin.explainers.configs import ReviseConfig
from neurogloss.builtin.explainers.showing import marks_for
from neurogloss.builtin.prompts.rendering import Conversation, Prompt, shown
from neurogloss.errors import ConfigError, LanguageModelError
from neurogloss.interfaces.explainer import Explainer
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.scorer import Scorer
from neurogloss.records.activations import ActivationRecord, levels
from neurogloss.records.explanations import Explanation, ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import GenerateRequest
from neurogloss.records.simulations import Simulation
from neurogloss.records.unit_records import SplitView

NAME = "revise"


@dataclass(frozen=True)
class Error:
    """A token at which the simulation is far from the unit."""

    before: str
    token: str
    after: str
    real: int
    """Level from 0 to 10."""
    simulated: int
    """Level from 0 to 10."""


class ReviseExplainer(Explainer):
    """Proposes, simulates on `valid`, shows the language model the worst errors, and asks for a better sentence.

    Each round shows the best explanation so far with its errors, and what was tried and came out
    worse. The best on `valid` is kept; the provenance lists all of them with their scores.

    Source of the idea: Bills et al. 2023, "Language models can explain neurons in language models".
    """

    def __init__(self, config: ReviseConfig, llm: LanguageModel, of: Explainer, by: Scorer) -> None:
        self.needs_token_means = of.needs_token_means
        self._config = config
        self._llm = llm
        self._of = of
        self._by = by
        self._prompt = Prompt(NAME, config.prompt)

    async def explain(self, view: SplitView) -> tuple[Explanation | Failure, ...]:
        """One explanation; see `Explainer.explain`."""
        if view.dead:
            return (Failure(Reason.DEAD, f"never above 0 in the {view.split} split"),)
        proposal = (await self._of.explain(view))[0]
        if isinstance(proposal, Explanation) and not isinstance(proposal, ProseExplanation):
            return (Failure(Reason.MISMATCHED, f"prose can be revised, not a {type(proposal).__name__}"),)
        tried = [await self._try(proposal, view)]
        for number in range(self._config.n_rounds):
            current = best(tried)
            errors = self.errors(current, view.valid()) if current is not None else ((), ())
            if current is None or not any(errors):
                break
            revision = await self._revised(self.conversation(current, tried, *errors), number)
            tried.append(await self._try(revision, view))
            if isinstance(revision, Failure):
                break
        return (chosen(tried, NAME),)

    def errors(self, current: Tried, view: SplitView) -> tuple[Sequence[Error], Sequence[Error]]:
        """The worst error of each text: where the unit fires and the simulation does not, and the opposite.

        Raises:
            ConfigError: The scorer does not simulate.
        """
        simulations = {each.sequence_id: each for each in current.verdict.simulations} if current.verdict else {}
        if not simulations:
            raise ConfigError(
                "by is a scorer that does not simulate, so that there are no errors to show.",
                remedy="Choose one that does: explainer.by=simulation",
            )
        records = {each.sequence.id: each for each in (*view.records.top, *view.records.random)}
        found = [
            error
            for number, record in records.items()
            if number in simulations
            for error in self._errors_in(record, simulations[number], view.maximum)
        ]
        found.sort(key=lambda error: -abs(error.real - error.simulated))
        most = self._config.n_errors
        missed = [error for error in found if error.real > error.simulated]
        return missed[:most], [error for error in found if error.real < error.simulated][:most]

    def conversation(
        self, current: Tried, tried: Sequence[Tried], missed: Sequence[Error], unfounded: Sequence[Error]
    ) -> Conversation:
        """The prompt that shows an explanation its errors.

        Args:
            current: The explanation, with its score.
            tried: All that were tried, itself included.
            missed: Where the unit fires and the simulation does not.
            unfounded: Where the simulation fires and the unit does not.
        """
        worse = [each for each in tried if each is not current and isinstance(each.outcome, ProseExplanation)]
        return self._prompt.render(
            explanation=_text(current),
            value=current.value,
            tried=[{"text": _text(each), "value": each.value} for each in worse],
            marks=marks_for(f"{e.before}{e.token}{e.after}" for e in (*missed, *unfounded)),
            missed=missed,
            unfounded=unfounded,
        )

    def _errors_in(self, record: ActivationRecord, simulation: Simulation, maximum: float) -> list[Error]:
        """The token that is missed most, and the one that is expected most wrongly."""
        real = levels(record.values, maximum)
        scale = 1.0 if simulation.top_level is None else maximum / simulation.top_level
        answered = record.counted & np.isfinite(simulation.expected)
        simulated = levels(np.where(answered, simulation.expected, 0) * scale, maximum)
        difference = np.where(answered, real - simulated, 0)
        places = {int(np.argmax(difference)), int(np.argmin(difference))}
        far = (place for place in sorted(places) if abs(difference[place]) >= self._config.least_error)
        return [self._error(record, place, int(real[place]), int(simulated[place])) for place in far]

    def _error(self, record: ActivationRecord, place: int, real: int, simulated: int) -> Error:
        sequence = record.sequence
        half = self._config.window // 2
        spans = sequence.spans[max(0, place - half) : place + half + 1]
        solid = spans[spans[:, 1] > spans[:, 0]]
        start, stop = sequence.spans[place]
        first, last = int(solid[:, 0].min()), int(solid[:, 1].max())
        before, token, after = (shown(sequence.text[a:b]) for a, b in ((first, start), (start, stop), (stop, last)))
        return Error(before, token, after, real, simulated)

    async def _try(self, outcome: Explanation | Failure, view: SplitView) -> Tried:
        if isinstance(outcome, Failure):
            return Tried(outcome)
        return Tried(outcome, await self._by.score(outcome, view.valid()))

    async def _revised(self, conversation: Conversation, number: int) -> Explanation | Failure:
        config = self._config
        request = GenerateRequest(
            messages=conversation.messages,
            max_tokens=config.max_tokens,
            temperature=config.temperature,
            seed=config.seed + number,
        )
        try:
            reply = await self._llm.generate(request)
        except LanguageModelError as error:
            return Failure(Reason.FAILED, str(error))
        text = text_of(reply.completions)
        gloss = text if isinstance(text, Failure) else read_gloss(text, conversation.opening)
        if isinstance(gloss, Failure):
            self._llm.reject(request)
            return gloss
        identity = "/".join(filter(None, self._llm.identity().values()))
        return ProseExplanation(Provenance(NAME, identity, self._prompt.prompt_hash, request.seed), gloss)


def _text(tried: Tried) -> str:
    return " ".join(tried.outcome.text.split()) if isinstance(tried.outcome, ProseExplanation) else ""
