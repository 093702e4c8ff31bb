"""What is registered of the simulators."""

from __future__ import annotations

from neurogloss.builtin.simulators.configs import JsonConfig, LogprobConfig, RulesConfig, TableConfig
from neurogloss.plugin.component import Component

COMPONENTS = (
    Component(
        kind="simulator",
        name="logprob",
        config=LogprobConfig,
        factory="neurogloss.builtin.simulators.logprob:LogprobSimulator",
        summary="levels from a language model's log-probabilities",
        needs=("llm",),
        requires=("choice_logprobs",),
        explanations=("ProseExplanation",),
    ),
    Component(
        kind="simulator",
        name="json",
        config=JsonConfig,
        factory="neurogloss.builtin.simulators.json:JsonSimulator",
        summary="levels written as JSON, by a language model that tells no log-probabilities",
        needs=("llm",),
        requires=("generate",),
        explanations=("ProseExplanation",),
    ),
    Component(
        kind="simulator",
        name="table",
        config=TableConfig,
        factory="neurogloss.builtin.simulators.table:TableSimulator",
        summary="activations looked up in a token table",
        explanations=("TokenTableExplanation",),
    ),
    Component(
        kind="simulator",
        name="rules",
        config=RulesConfig,
        factory="neurogloss.builtin.simulators.rules:RulesSimulator",
        summary="activations from the rules of an executable explanation, run on the tokens' texts",
        explanations=("RulesExplanation",),
    ),
)
