"""The table of what our own distributions provide agrees with what they hold."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from neurogloss.plugin import known

PLUGINS = Path(__file__).parents[2] / "plugins"


def _provided(distribution: str) -> set[tuple[str, str]]:
    module = distribution.replace("-", "_")
    plugin = importlib.import_module(f"{module}.plugin")
    components = {(component.kind, component.name) for component in plugin.neurogloss_register_components()}
    presets = PLUGINS / distribution / "src" / module / "conf"
    return components | {(file.parent.name, file.stem) for file in presets.glob("*/*.yaml")}


@pytest.mark.parametrize(
    "distribution", [known.TRANSFORMERS, known.DATASETS, known.ANTHROPIC, known.OPENAI, known.EMBEDDINGS, known.RAY]
)
def test_names_are_those_of_the_distribution(distribution: str) -> None:
    told = {pair for pair, provider in known.NAMES.items() if provider == distribution}
    assert told == _provided(distribution)


def test_a_name_of_nobody_has_no_provider() -> None:
    assert known.provider("subject", "gpt2") == "neurogloss-transformers"
    assert known.provider("llm", "gpt2") is None


def test_the_command_is_quoted_for_the_shell() -> None:
    assert known.install_command("neurogloss-datasets") == 'pip install "./plugins/neurogloss-datasets"'
