"""SmolLM2 as a plain folder that any tool reads; the weights are those of `subject=smollm2` and `llm=local`."""

from __future__ import annotations


def folder() -> str:
    """The folder, made once."""
    from neurogloss_transformers.configs import LocalModelConfig
    from neurogloss_transformers.gguf import converted
    from neurogloss_transformers.sources import find_model

    source = find_model(LocalModelConfig())
    assert source.path is not None
    return str(converted(source.path))
