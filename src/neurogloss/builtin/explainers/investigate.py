"""Prose from experiments: a language model writes texts, and sees what the unit does on them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neurogloss.builtin.explainers.asking import nothing_in, read_gloss, text_of
from neurogloss.builtin.explainers.configs import InvestigateConfig
from neurogloss.builtin.explainers.showing import Passage, marked, marks_for, passages, plain
from neurogloss.builtin.prompts.marks import Marks
from neurogloss.builtin.prompts.rendering import Conversation, Prompt, shown
from neurogloss.errors import LanguageModelError
from neurogloss.interfaces.explainer import Explainer
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.records.activations import ActivationRecord, levels
from neurogloss.records.explanations import Experiment, Explanation, InvestigatedExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import GenerateRequest
from neurogloss.records.unit_records import SplitView

NAME = "investigate"
_ANSWER = "This unit responds to"
_STRING = r'"(?:[^"\\]|\\.)*"'
_TEXTS = re.compile(rf'"texts"\s*:\s*\[(?P<texts>(?:\s*{_STRING}\s*,?)*)', re.DOTALL)
_MEMBER = rf'"{{}}"\s*:\s*(?P<value>{_STRING})'


@dataclass(frozen=True)
class Move:
    """What a reply does: texts to try, or an explanation."""

    thought: str = ""
    texts: tuple[str, ...] = ()
    explanation: str = ""


@dataclass(frozen=True)
class Turn:
    """A reply, and what came of it."""

    reply: str
    experiments: tuple[Experiment, ...] = ()
    """None where the reply could not be read."""


class InvestigateExplainer(Explainer):
    """Lets a language model test its ideas of a unit, within a budget of calls and texts.

    The explanation holds what was tried. A reply that cannot be read costs a call, and the model is
    told so; without an explanation at the end, the outcome is a failure.
    """

    def __init__(self, config: InvestigateConfig, llm: LanguageModel) -> None:
        self._config = config
        self._llm = llm
        self._prompt = Prompt(NAME, config.prompt)

    async def explain(self, view: SplitView) -> tuple[Explanation | Failure, ...]:
        """One explanation; see `Explainer.explain`."""
        if view.dead:
            return (Failure(Reason.DEAD, f"never above 0 in the {view.split} split"),)
        return (await self._investigate(view),)

    async def _investigate(self, view: SplitView) -> Explanation | Failure:
        config = self._config
        turns: list[Turn] = []
        moves: list[Move] = []
        missing = Failure(Reason.UNPARSABLE, f"no explanation within {config.max_calls} replies")
        for call in range(config.max_calls):
            left = self._texts_left(turns)
            last = call == config.max_calls - 1 or left == 0
            request = self._request(self.conversation(view, turns, last=last), call)
            try:
                reply = await self._llm.generate(request)
            except LanguageModelError as error:
                return Failure(Reason.FAILED, str(error))
            text = text_of(reply.completions)
            if isinstance(text, Failure):
                self._llm.reject(request)
                return text
            move = read_move(text)
            if move is None or (last and not move.explanation):
                self._llm.reject(request)
                missing = nothing_in(text)
                turns.append(Turn(text))
                if last:
                    break
                continue
            moves.append(move)
            if move.explanation:
                return self._explanation(move.explanation, turns, moves)
            turns.append(Turn(text, self._experiments(view, move.texts[: min(left, config.texts_per_call)])))
        return missing

    def conversation(self, view: SplitView, turns: Sequence[Turn], *, last: bool) -> Conversation:
        """The prompt with all that was said and tried so far.

        Args:
            view: The unit.
            turns: The replies so far with their experiments.
            last: Whether the next reply must be the answer.
        """
        config = self._config
        own, marks = self._shown(view)
        return self._prompt.render(
            passages=[marked(passage, config.mark_from, marks) for passage in own],
            marks=marks,
            turns=turns,
            last=last,
            texts_left=min(config.texts_per_call, self._texts_left(turns)),
            calls_left=config.max_calls - len(turns),
        )

    def _shown(self, view: SplitView) -> tuple[list[Passage], Marks]:
        own = passages(view.records.top[: self._config.n_records], self._config.window)
        return own, marks_for(map(plain, own))

    def _texts_left(self, turns: Sequence[Turn]) -> int:
        return self._config.max_texts - sum(len(turn.experiments) for turn in turns)

    def _request(self, conversation: Conversation, call: int) -> GenerateRequest:
        config = self._config
        return GenerateRequest(conversation.messages, config.max_tokens, config.temperature, seed=config.seed + call)

    def _experiments(self, view: SplitView, texts: Sequence[str]) -> tuple[Experiment, ...]:
        cut = [text[: self._config.max_characters] for text in texts]
        _, marks = self._shown(view)
        return tuple(
            self._experiment(text, record, view.maximum, marks)
            for text, record in zip(cut, view.written(cut), strict=True)
        )

    def _experiment(self, text: str, record: ActivationRecord | None, maximum: float, marks: Marks) -> Experiment:
        if record is None:
            return Experiment(shown(text), None)
        values = levels(record.piece_values, maximum).tolist()
        passage = [(shown(piece.text), level) for piece, level in zip(record.sequence.pieces, values, strict=True)]
        found = marked(passage, self._config.mark_from, marks)
        return Experiment(found.text, max(values, default=0), found.levels)

    def _explanation(self, text: str, turns: Sequence[Turn], moves: Sequence[Move]) -> InvestigatedExplanation:
        identity = "/".join(filter(None, self._llm.identity().values()))
        return InvestigatedExplanation(
            Provenance(NAME, identity, self._prompt.prompt_hash, self._config.seed),
            text,
            tuple(experiment for turn in turns for experiment in turn.experiments),
            tuple(move.thought for move in moves),
        )


def read_move(text: str) -> Move | None:
    """What a reply does, whatever stands around its JSON and where it is cut short; `None` if nothing can be read.

    An explanation goes before texts. A sentence that begins as an answer does is one without JSON.
    """
    found = _object(text) or _members(text)
    thought = found.get("thought")
    thought = " ".join(thought.split()) if isinstance(thought, str) else ""
    stated = found.get("explanation")
    if not isinstance(stated, str) and _ANSWER.lower() in text.lower() and "{" not in text:
        stated = text
    if isinstance(stated, str):
        gloss = read_gloss(stated, _ANSWER)
        if isinstance(gloss, str):
            return Move(thought, explanation=" ".join(gloss.split()))
    texts = found.get("texts")
    if isinstance(texts, list):
        usable = tuple(dict.fromkeys(each for each in texts if isinstance(each, str) and each.strip()))
        if usable:
            return Move(thought, usable)
    return None


def _object(text: str) -> dict[str, Any]:
    """The first JSON object in a reply that has one of the members asked for; empty without one."""
    for start in re.finditer(r"\{", text):
        try:
            value, _ = json.JSONDecoder(strict=False).raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and value.keys() & {"texts", "explanation"}:
            return value
    return {}


def _members(text: str) -> dict[str, Any]:
    """What can be read of an object that is not valid JSON."""
    found: dict[str, Any] = {}
    for name in ("thought", "explanation"):
        if match := re.search(_MEMBER.format(name), text, re.DOTALL):
            found[name] = _string(match["value"])
    if match := _TEXTS.search(text):
        found["texts"] = [_string(literal) for literal in re.findall(_STRING, match["texts"], re.DOTALL)]
    return found


def _string(literal: str) -> str | None:
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return None
