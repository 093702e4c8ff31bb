"""The simulator `finetuned` against a computation by hand, and the contract of simulators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hydra
import numpy as np
import pytest
import torch
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedTokenizerFast

from neurogloss.errors import ConfigError
from neurogloss.records.explanations import Explanation, ProseExplanation, Provenance
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import TokenSequence
from neurogloss.testing.records import prose_explanation, sequences, token_sequence
from neurogloss.testing.simulator import SimulatorContract, SimulatorFor
from neurogloss_transformers.configs import BosPolicy, FinetunedConfig
from neurogloss_transformers.finetuned import FinetunedSimulator


def simulate(config: FinetunedConfig, *asked: TokenSequence, text: str = "pets") -> list[Simulation]:
    outcomes = asyncio.run(FinetunedSimulator(config).simulate(ProseExplanation(Provenance("x"), text), asked))
    found = [outcome for outcome in outcomes if isinstance(outcome, Simulation)]
    assert len(found) == len(asked), outcomes
    return found


def by_hand(folder: str, ids: list[int], places: list[int], levels: list[int]) -> np.ndarray:
    """The softmax over the levels' logits at each place, from one plain pass."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    chosen = np.exp(logits[places][:, levels].double().numpy())
    return np.asarray(chosen / chosen.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_levels_are_read_at_each_token_in_one_pass(prompt_folder: Callable[..., str], architecture: str) -> None:
    folder = prompt_folder(architecture)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pieces = ["The", " cat", " é", " sleeps"]
    ids, places = tokenizer("## Neuron Description: pets\n\n ## Input: ")["input_ids"], []
    for piece in pieces:
        ids += tokenizer(piece)["input_ids"]
        places.append(len(ids) - 1)
    levels = [tokenizer.convert_tokens_to_ids(str(level)) for level in range(10)]
    expected = by_hand(folder, ids, places, levels)
    (found,) = simulate(FinetunedConfig(model=folder, device="cpu"), token_sequence(pieces))
    assert found.top_level == 9  # the tokenizer splits "10"
    assert found.distribution is not None
    np.testing.assert_allclose(found.distribution[1:], expected, atol=1e-5)
    np.testing.assert_allclose(found.expected[1:], expected @ np.arange(10), atol=1e-4)
    assert np.isnan(found.expected[0])  # BOS, which is special


def test_rows_of_the_vocabulary_may_stand_for_levels_and_tokens_be_replaced(
    prompt_folder: Callable[..., str], tmp_path: Path
) -> None:
    folder = prompt_folder("llama")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    path = tmp_path / "mine.jinja"
    path.write_text("{{ explanation }}:{% for token in tokens %}{{ token }}\t{{ read }}{% endfor %}", encoding="utf-8")
    the, tab = tokenizer("The")["input_ids"], tokenizer("\t")["input_ids"]
    ids = [9, *tokenizer("pets:")["input_ids"], *the, *tab]
    config = FinetunedConfig(
        model=folder,
        tokenizer=folder,
        device="cpu",
        prompt=str(path),
        level_ids=[*range(11)],
        token_map={0: 9},
    )
    config.bos = BosPolicy.always
    (found,) = simulate(config, token_sequence(["The"], bos=False))
    assert found.top_level == 10
    assert found.distribution is not None
    np.testing.assert_allclose(found.distribution, by_hand(folder, ids, [len(ids) - 1], [*range(11)]), atol=1e-5)


@pytest.fixture
def like_transluce(tmp_path: Path) -> str:
    """A Llama with random weights, the vocabulary of theirs and the ids of Llama 3's special tokens."""
    config = LlamaConfig(
        vocab_size=128_261, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, bos_token_id=128_000, eos_token_id=128_009,
    )  # fmt: skip
    torch.manual_seed(3)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    words = ["##", "Neuron", "Description", "Input", ":", "pets", "the", "cat", "<unk>"]
    vocabulary = {word: 100 + i for i, word in enumerate(words)} | {"<|begin_of_text|>": 128_000}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|##|\S"), "removed", invert=True)
    backend.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 128_000)]
    )
    PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<|begin_of_text|>", unk_token="<unk>").save_pretrained(
        tmp_path
    )
    return str(tmp_path)


def test_the_preset_transluce_reads_as_their_code_does(like_transluce: str) -> None:
    """Prompt, replaced BOS, and the first eleven rows at each token itself: what their published code does."""
    ConfigStore.instance().repo.pop("simulator", None)  # what other tests of this process have put there
    ConfigStore.instance().store(group="simulator", name="finetuned", node=FinetunedConfig)
    with hydra.initialize_config_module("neurogloss_transformers.conf", version_base="1.3"):
        preset = OmegaConf.to_object(hydra.compose(overrides=["+simulator=transluce"]).simulator)
    assert isinstance(preset, FinetunedConfig)
    assert (preset.model, preset.dtype) == ("Transluce/llama_8b_simulator", "bfloat16")
    config = replace(preset, model=like_transluce, device="cpu", dtype="float32")
    config.check()
    (found,) = simulate(config, token_sequence(["the", " cat", " cat"]))
    ids = [128_257, 100, 101, 102, 104, 105, 100, 103, 104, 106, 107, 107]
    assert found.top_level == 10
    assert found.distribution is not None
    np.testing.assert_allclose(
        found.distribution[1:], by_hand(like_transluce, ids, [9, 10, 11], [*range(11)]), atol=1e-6
    )
    # Its own dtype has eight binary digits.
    (rounded,) = simulate(replace(preset, model=like_transluce, device="cpu"), token_sequence(["the", " cat", " cat"]))
    np.testing.assert_allclose(rounded.expected[1:], found.expected[1:], atol=0.05)


def test_parts_of_one_character_share_its_level(prompt_folder: Callable[..., str]) -> None:
    (found,) = simulate(FinetunedConfig(model=prompt_folder("llama"), device="cpu"), token_sequence(["a", " 🐈"]))
    assert len(found.expected) == 4
    assert found.expected[2] == found.expected[3]


def test_a_trained_checkpoint_tells_what_it_was_trained_to(
    tmp_path: Path, tiny_folder: Callable[[str], str], tiny_tokenizer: Callable[..., PreTrainedTokenizerFast]
) -> None:
    """A few steps of training at the places that are read, and the simulator answers as trained."""
    folder = tiny_folder("llama")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoModelForCausalLM.from_pretrained(folder).config)
    sequence = token_sequence([" tea", " is", " hot", " tea"], bos=False)
    wanted = [9, 0, 3, 9]
    ids, places = tokenizer("## Neuron Description: pets\n\n ## Input: ")["input_ids"], []
    for token in sequence.tokens:
        ids += tokenizer(token)["input_ids"]
        places.append(len(ids) - 1)
    targets = torch.tensor([tokenizer.convert_tokens_to_ids(str(level)) for level in wanted])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(torch.tensor([ids])).logits[0, places], targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (found,) = simulate(FinetunedConfig(model=str(tmp_path), device="cpu"), sequence)
    np.testing.assert_allclose(found.expected, wanted, atol=0.3)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"level_ids": [0, 100_000]}, "no token 100000"),
        ({"prompt": "{{ explanation }}"}, "reads 0 levels"),
        ({"prompt": "{{ unknown }}"}, "cannot be rendered"),
        ({"prompt": "{% for %}"}, "cannot be read"),
    ],
)
def test_what_cannot_work_is_told(
    prompt_folder: Callable[..., str], tmp_path: Path, config: dict[str, object], message: str
) -> None:
    if "prompt" in config:
        (tmp_path / "mine.jinja").write_text(str(config["prompt"]), encoding="utf-8")
        config = {**config, "prompt": str(tmp_path / "mine.jinja")}
    made = FinetunedConfig(model=prompt_folder("llama"), device="cpu", **config)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=message):
        simulate(made, sequences()[0])


@pytest.mark.parametrize("config", [{"level_ids": [1]}, {"level_ids": [1, 1]}, {"max_batch_tokens": 0}])
def test_bad_values_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(config))):
        FinetunedConfig(model="m", **config).check()  # type: ignore[arg-type]


class TestFinetuned(SimulatorContract):
    @pytest.fixture
    def simulator_for(self, prompt_folder: Callable[..., str]) -> SimulatorFor:
        simulator = FinetunedSimulator(FinetunedConfig(model=prompt_folder("llama"), device="cpu"))
        return lambda llm: simulator

    @pytest.fixture
    def explanation(self) -> Explanation:
        return prose_explanation()

    @pytest.fixture
    def tolerance(self) -> float:
        return 1e-4
