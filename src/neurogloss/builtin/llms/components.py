"""What is registered of the llms."""

from __future__ import annotations

from neurogloss.builtin.llms.configs import OracleConfig, ScriptedConfig
from neurogloss.plugin.component import Component

COMPONENTS = (
    Component(
        kind="llm",
        name="scripted",
        config=ScriptedConfig,
        factory="neurogloss.builtin.llms.scripted:ScriptedModel",
        summary="no model: replies that depend on the request alone",
        provides=("generate", "choice_logprobs", "json_schema", "text_logprobs"),
    ),
    Component(
        kind="llm",
        name="oracle",
        config=OracleConfig,
        factory="neurogloss.builtin.llms.oracle:OracleModel",
        summary="no model: exact answers about the synthetic subject's units, or chance",
        provides=("generate", "choice_logprobs"),
    ),
)
