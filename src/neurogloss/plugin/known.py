"""Which of the project's own distributions provides which name, installed or not."""

from __future__ import annotations

from collections.abc import Mapping

TRANSFORMERS = "neurogloss-transformers"
DATASETS = "neurogloss-datasets"
ANTHROPIC = "neurogloss-anthropic"
OPENAI = "neurogloss-openai"
VLLM = "neurogloss-vllm"
EMBEDDINGS = "neurogloss-embeddings"
RAY = "neurogloss-ray"

_SUBJECTS = (
    "transformers planted smollm2 gpt2 gpt2_medium gpt2_large gpt2_xl pythia_70m pythia_160m pythia_410m pythia_1b "
    "pythia_1_4b pythia_2_8b pythia_6_9b pythia_12b llama3_1_8b qwen2_5_0_5b qwen2_5_1_5b qwen2_5_7b gemma2_2b"
)
_CLAUDE = "anthropic claude_haiku claude_sonnet claude_opus claude_bedrock claude_vertex"
_OPENAI = "openai gpt_4o gpt_4o_mini gpt_4_1 gpt_5 vllm_server llama_cpp ollama openrouter azure"
_VLLM = "vllm vllm_llama3_1_8b vllm_qwen2_5_7b"
NAMES: Mapping[tuple[str, str], str] = {
    **{("subject", name): TRANSFORMERS for name in _SUBJECTS.split()},
    ("corpus", "planted"): TRANSFORMERS,
    ("llm", "local"): TRANSFORMERS,
    ("simulator", "finetuned"): TRANSFORMERS,
    ("simulator", "transluce"): TRANSFORMERS,
    **{("llm", name): ANTHROPIC for name in _CLAUDE.split()},
    **{("llm", name): OPENAI for name in _OPENAI.split()},
    **{("llm", name): VLLM for name in _VLLM.split()},
    ("corpus", "huggingface"): DATASETS,
    ("corpus", "parquet"): DATASETS,
    ("embedder", "sentence_transformers"): EMBEDDINGS,
    ("executor", "ray"): RAY,
}
"""The distribution that provides each component or preset, by kind and name."""


def provider(kind: str, name: str) -> str | None:
    """The distribution that provides a component or a preset of this name, if it is one of ours."""
    return NAMES.get((kind, name))


def known_names(kind: str) -> tuple[str, ...]:
    """The names of this kind that our distributions provide beyond the built-in ones."""
    return tuple(name for of_kind, name in NAMES if of_kind == kind)


def install_command(distribution: str) -> str:
    """What to type, in a clone of the repository, to install one of our distributions."""
    return f'pip install "./plugins/{distribution}"'
