"""What this plugin registers; imports neither torch nor transformers."""

from __future__ import annotations

from neurogloss import Component, hookimpl
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE
from neurogloss.interfaces.output_weights import OUTPUT_WEIGHTS
from neurogloss.interfaces.text_logprobs import TEXT_LOGPROBS
from neurogloss_transformers.configs import (
    FinetunedConfig,
    LocalModelConfig,
    PlantedConfig,
    PlantedCorpusConfig,
    TransformersSubjectConfig,
)

_INSTALL = "pip install neurogloss-transformers"


@hookimpl
def neurogloss_register_components() -> list[Component]:
    """The subjects `transformers` and `planted`, a corpus for the latter, and what asks checkpoints in process."""
    return [
        Component(
            "subject",
            "transformers",
            TransformersSubjectConfig,
            "neurogloss_transformers.subject:TransformersSubject",
            summary="any Hugging Face causal model: hub id, local folder or GGUF file; its MLP neurons",
            provides=(OUTPUT_WEIGHTS,),
            install_hint=_INSTALL,
        ),
        Component(
            "subject",
            "planted",
            PlantedConfig,
            "neurogloss_transformers.planted.subject:PlantedSubject",
            summary="a GPT-2 whose weights are constructed from a description, so that each unit's function is known",
            provides=(OUTPUT_WEIGHTS,),
            install_hint=_INSTALL,
        ),
        Component(
            "corpus",
            "planted",
            PlantedCorpusConfig,
            "neurogloss_transformers.planted.corpus:PlantedCorpus",
            summary="generated documents in which every unit of the planted subject fires",
            install_hint=_INSTALL,
        ),
        Component(
            "llm",
            "local",
            LocalModelConfig,
            "neurogloss_transformers.local:LocalModel",
            summary="any Hugging Face causal model, in this process; SmolLM2-135M unless another is named",
            provides=(GENERATE, CHOICE_LOGPROBS, TEXT_LOGPROBS),
            install_hint=_INSTALL,
        ),
        Component(
            "simulator",
            "finetuned",
            FinetunedConfig,
            "neurogloss_transformers.finetuned:FinetunedSimulator",
            summary="levels from a checkpoint that was trained to tell them at each token, in one pass",
            install_hint=_INSTALL,
            explanations=("ProseExplanation",),
        ),
    ]


@hookimpl
def neurogloss_config_packages() -> list[str]:
    """The presets: `subject=smollm2`, `subject=gpt2`, ..."""
    return ["neurogloss_transformers.conf"]
