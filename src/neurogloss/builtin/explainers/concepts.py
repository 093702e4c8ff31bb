"""Several concepts, for a unit that responds to several."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from neurogloss.builtin.explainers.asking import (
    AskingExplainer,
    first_sentence,
    nothing_in,
    read_gloss,
    says_something,
    unquoted,
)
from neurogloss.builtin.explainers.asking_configs import ConceptsConfig
from neurogloss.builtin.explainers.showing import marked, marks_for, passages, plain
from neurogloss.builtin.prompts.rendering import Conversation
from neurogloss.interfaces.language_model import JSON_SCHEMA, LanguageModel
from neurogloss.records.explanations import ConceptsExplanation, Explanation, Provenance
from neurogloss.records.failures import Failure
from neurogloss.records.unit_records import SplitView

_ANSWER = "This unit responds to"
_ITEM = re.compile(r"^\s*(?:[-*\u2022]|\(?\d{1,2}[.):])\s+(?P<concept>.+)$", re.MULTILINE)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


class ConceptsExplainer(AskingExplainer[ConceptsConfig]):
    """Asks for the concepts in the top records and, where others may be found, in importance-weighted ones."""

    def __init__(self, config: ConceptsConfig, llm: LanguageModel) -> None:
        super().__init__(config, llm)
        if JSON_SCHEMA in llm.capabilities:
            self.schema = _schema(config.max_concepts)

    def conversation(self, view: SplitView) -> Conversation:
        """The prompt that shows a unit's records."""
        config = self._config
        top = view.records.top[: config.n_records]
        shown = {record.sequence.id for record in top}
        lower = [r for r in view.records.importance if r.sequence.id not in shown and r.maximum > 0][: config.n_lower]
        own = passages([*top, *lower], config.window)
        marks = marks_for(map(plain, own))
        return self._prompt.render(
            passages=[marked(passage, config.mark_from, marks) for passage in own],
            marks=marks,
            max_concepts=config.max_concepts,
            listing=self.listing(view),
        )

    def read(self, provenance: Provenance, text: str, opening: str) -> Explanation | Failure:
        """The concepts, however they are listed; a reply in one sentence is one concept."""
        concepts = read_concepts(text)[: self._config.max_concepts]
        if not concepts:
            gloss = read_gloss(text, _ANSWER) if not text.lstrip().startswith(("{", "[")) else nothing_in(text)
            if isinstance(gloss, Failure):
                return gloss
            concepts = (gloss,)
        return ConceptsExplanation.of(provenance, concepts)


def read_concepts(text: str) -> tuple[str, ...]:
    """The different concepts in a reply: in JSON, also where it is cut short, or on lines with bullets or numbers."""
    found = list(_in_json(text)) or [match["concept"] for match in _ITEM.finditer(text)]
    concepts: dict[str, str] = {}
    for each in found:
        concept = first_sentence(re.sub(rf"^\s*{_ANSWER}\b", "", unquoted(each), flags=re.IGNORECASE))
        if says_something(concept):
            concepts.setdefault(concept.casefold(), " ".join(concept.split()))
    return tuple(concepts.values())


def _in_json(text: str) -> Iterator[str]:
    start = re.search(r"[{\[]", text)
    if start is None:
        return
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text, start.start())
    except (ValueError, RecursionError):
        listed = text.find("[", start.start())
        for literal in _STRING.findall(text, listed) if listed >= 0 else ():
            try:
                yield json.loads(literal)
            except ValueError:
                continue
    else:
        yield from _strings(value)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _schema(max_concepts: int) -> dict[str, Any]:
    concepts = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": max_concepts}
    return {
        "type": "object",
        "properties": {"concepts": concepts},
        "required": ["concepts"],
        "additionalProperties": False,
    }
