"""Tiny random models of many architectures, with a byte-level tokenizer trained on a few sentences."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is first imported

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PhiConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2MoeConfig,
    Qwen3Config,
)

from neurogloss.records.tokens import Split, TokenSequence
from neurogloss_transformers.planted.description import Description

SENTENCES = (
    "The capital of France is Paris, and the tea is hot.",
    "In the café they don't speak of naïve things.",
    "中文字符 are written with three bytes each, 😀 with four.",
)
VOCABULARY = 320
_SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 128,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
_NARROW = {"head_dim": 4, "sliding_window": 5}
_CONFIGS: dict[str, Callable[[], PreTrainedConfig]] = {
    "gpt2": lambda: GPT2Config(
        vocab_size=VOCABULARY, n_embd=16, n_layer=3, n_head=4, n_positions=128, bos_token_id=0, eos_token_id=1
    ),
    "gpt_neox": lambda: GPTNeoXConfig(**_SHAPE, rotary_pct=0.5),
    "gpt_neox_sequential": lambda: GPTNeoXConfig(**_SHAPE, rotary_pct=0.5, use_parallel_residual=False),
    "llama": lambda: LlamaConfig(**_SHAPE, tie_word_embeddings=True),
    "mistral": lambda: MistralConfig(**_SHAPE, sliding_window=5),
    "qwen2": lambda: Qwen2Config(**_SHAPE),
    "qwen3": lambda: Qwen3Config(**_SHAPE, head_dim=4),
    "gemma2": lambda: Gemma2Config(**_SHAPE, **_NARROW, query_pre_attn_scalar=4, attn_logit_softcapping=0.5),
    "gemma3": lambda: Gemma3TextConfig(**_SHAPE, **_NARROW, query_pre_attn_scalar=4),
    "phi": lambda: PhiConfig(**_SHAPE, partial_rotary_factor=0.5),
    "opt": lambda: OPTConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        word_embed_proj_dim=12,
        num_hidden_layers=3,
        num_attention_heads=4,
        ffn_dim=24,
        max_position_embeddings=128,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    ),
    "qwen2_moe": lambda: Qwen2MoeConfig(
        **_SHAPE, num_experts=4, moe_intermediate_size=8, shared_expert_intermediate_size=24
    ),
}
_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] | trim }}<|eos|>\n{% endfor %}"
)


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    """Builds the tokenizer: `tiny_tokenizer(adds_bos=False, **options of PreTrainedTokenizerFast)`."""

    def build(*, adds_bos: bool = False, **options: Any) -> PreTrainedTokenizerFast:
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        specials = ["<|bos|>", "<|eos|>", "<|pad|>"]
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
        )
        backend.train_from_iterator(SENTENCES, trainer)
        # Cuts the spaces off the offsets, as RoBERTa's and OPT's tokenizers do.
        backend.post_processor = processors.ByteLevel(trim_offsets=True)
        if adds_bos:
            backend.post_processor = processors.TemplateProcessing(
                single="<|bos|> $A", pair="<|bos|> $A $B", special_tokens=[("<|bos|>", 0)]
            )
        names = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>"}
        return PreTrainedTokenizerFast(tokenizer_object=backend, **(names | options))

    return build


@pytest.fixture(scope="session")
def tiny_folder(
    tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Callable[..., PreTrainedTokenizerFast]
) -> Callable[[str], str]:
    """The folder of a tiny model: `tiny_folder("gpt2")`; the weights are random, biases and norms included."""
    folders: dict[str, Path] = {}

    def folder(architecture: str) -> str:
        if architecture not in folders:
            generator = torch.Generator().manual_seed(len(folders))
            model = AutoModelForCausalLM.from_config(_CONFIGS[architecture]())
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
            folders[architecture] = tmp_path_factory.mktemp(architecture)
            model.save_pretrained(folders[architecture])
            tiny_tokenizer(chat_template=_TEMPLATE).save_pretrained(folders[architecture])
        return str(folders[architecture])

    return folder


@pytest.fixture(scope="session")
def prompt_folder(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Callable[[str], str]) -> Callable[..., str]:
    """The folder of a tiny model that reads 400 tokens: `prompt_folder("llama", chat=True)`."""
    folders: dict[tuple[str, bool], Path] = {}

    def folder(architecture: str, *, chat: bool = True) -> str:
        key = architecture, chat
        if key not in folders:
            config = AutoConfig.from_pretrained(tiny_folder(architecture))
            config.max_position_embeddings = 400
            torch.manual_seed(7)
            model = AutoModelForCausalLM.from_config(config)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter += 0.1 * torch.randn(parameter.shape)
            folders[key] = tmp_path_factory.mktemp(architecture)
            model.save_pretrained(folders[key])
            tokenizer = AutoTokenizer.from_pretrained(tiny_folder(architecture))
            if not chat:
                tokenizer.chat_template = None
            tokenizer.save_pretrained(folders[key])
        return str(folders[key])

    return folder


@pytest.fixture(scope="session")
def planted_sequences() -> Callable[..., list[TokenSequence]]:
    """Random sequences of a description's words: `planted_sequences(description, 200, longest=128)`.

    `tokens` of a sequence are the words; BOS is `<bos>`, and about one word in eight is none of the description's.
    """

    def make(description: Description, count: int, longest: int, shortest: int = 2) -> list[TokenSequence]:
        ids = {word: i for i, word in enumerate(["<bos>", "zzz", *description.words])}
        choose = random.Random(11)
        # Single words, and the runs of classes that the built-in description looks for.
        runs = [[name] for name in description.classes] * 2
        if "preposition" in description.classes:
            runs += [["preposition", "article", name] for name in ("time", "colour", "water", "time")]
            runs += [["number", "time"], ["preposition", "time"], ["preposition", "article", "time", "comma"]] * 2
        sequences = []
        for number in range(count):
            length = choose.randint(shortest, longest)
            words = ["<bos>"]
            while len(words) < length:
                run = choose.choice(runs)
                words += (
                    ["zzz"] if choose.random() < 0.2 else [choose.choice(description.classes[name]) for name in run]
                )
            words = words[:length]
            stops = np.cumsum([len(word) for word in words])
            spans = np.stack([np.concatenate([[0], stops[:-1]]), stops], axis=1)
            tokens = np.array([ids[word] for word in words])
            sequences.append(TokenSequence(number, str(number), Split.TEST, "".join(words), tokens, spans, tokens == 0))
        return sequences

    return make


@pytest.fixture(scope="session")
def random_description() -> Callable[[int, int], dict[str, Any]]:
    """What a description's file holds, drawn by seed: `random_description(seed, positions)`."""
    words = [f"{a}{b}" for a in "abcdefg" for b in "xyz"]

    def make(seed: int, positions: int) -> dict[str, Any]:
        choose = random.Random(seed)
        classes = {f"class_{i}": choose.sample(words, choose.randint(1, 8)) for i in range(choose.randint(2, 5))}
        features = ["first", *classes]

        def conditions(count: int) -> list[str]:
            return [
                choose.choice(["", "not "]) + feature for feature in choose.sample(features, min(count, len(features)))
            ]

        layers = []
        for layer in range(choose.randint(1, 5)):
            heads: list[dict[str, Any]] = []
            for i in range(choose.randint(0, 3)):
                head: dict[str, Any] = {
                    "name": f"head_{layer}_{i}",
                    "attends": choose.choice(["previous", "last", "last"]),
                }
                head["moves"] = choose.sample(features, choose.randint(1, min(3, len(features))))
                if head["attends"] == "last":
                    head["key"] = conditions(choose.randint(1, 3))
                    if choose.random() < 0.7:
                        head["query"] = conditions(len(head["key"]))
                heads.append(head)
            features += [f"{head['name']}.{feature}" for head in heads for feature in head["moves"]]
            neurons: list[dict[str, Any]] = []
            for i in range(choose.randint(1, 4)):
                rule = choose.choice(["all", "all", "any", "weights"])
                named = conditions(choose.randint(1, 4))
                value = {name: choose.uniform(-2, 2) for name in named} if rule == "weights" else named
                neurons.append({"name": f"neuron_{layer}_{i}", rule: value, "explanation": f"neuron {layer} {i}"})
                neurons[-1] |= (
                    {"bias": choose.uniform(-1, 1)} if rule == "weights" else {"scale": choose.uniform(0.1, 5)}
                )
            features += [neuron["name"] for neuron in neurons if "all" in neuron]
            layers.append({"heads": heads, "neurons": neurons})
        return {"positions": positions, "classes": classes, "layers": layers}

    return make
