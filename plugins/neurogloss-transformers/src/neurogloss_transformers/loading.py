"""Models and tokenizers, loaded; every way that can fail is a `SubjectError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from neurogloss.errors import SubjectError
from neurogloss_transformers.configs import ModelConfig
from neurogloss_transformers.gguf import converted
from neurogloss_transformers.sources import find_model, first_line

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def model_identity(config: ModelConfig) -> dict[str, str]:
    """What determines the model's weights and tokenizer; equal models are equal on any machine.

    Cheap: loads neither torch nor weights; asks the hub, where it must, for one small file.

    Raises:
        SubjectError: There is no such model.
    """
    return find_model(config).identity


def load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerBase:
    """The model's tokenizer.

    Raises:
        SubjectError: There is no such model, or it comes without a tokenizer.
    """
    with _reported(config, "tokenizer"):
        from transformers import AutoTokenizer

        location, options = _arguments(config)
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(location, **options)
        return tokenizer


def load_model(config: ModelConfig) -> PreTrainedModel:
    """The model in evaluation mode, without gradients, on its device and in its dtype.

    Raises:
        SubjectError: There is no such model, device or attention implementation, or weights are missing.
    """
    with _reported(config, "model"):
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        device = None if config.device_map else choose_device(config.device)
        location, options = _arguments(config)
        structure = AutoConfig.from_pretrained(location, **options)
        auto: Any = AutoModelForCausalLM
        model, info = auto.from_pretrained(
            location,
            config=structure,
            dtype=config.dtype if config.dtype == "auto" else getattr(torch, config.dtype),
            attn_implementation=_attention(config, structure),
            output_loading_info=True,
            **({"device_map": config.device_map} if config.device_map else {}),
            **options,
        )
        if missing := sorted(info["missing_keys"]):
            raise SubjectError(
                f"The weights of {config.model!r} lack {len(missing)} tensors.",
                known=f"The first is {missing[0]}.",
                remedy="Give a model whose weights fit its config.json.",
            )
        loaded: PreTrainedModel = (model if device is None else model.to(device)).eval().requires_grad_(False)
        return loaded


def empty_model(config: ModelConfig) -> PreTrainedModel:
    """The model's modules without weights, on torch's meta device.

    Raises:
        SubjectError: There is no such model.
    """
    with _reported(config, "model"):
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        location, options = _arguments(config)
        structure = AutoConfig.from_pretrained(location, **options)
        auto: Any = AutoModelForCausalLM
        with torch.device("meta"):
            model: PreTrainedModel = auto.from_config(
                structure,
                trust_remote_code=config.trust_remote_code,
                attn_implementation=_attention(config, structure),
            )
        return model


def choose_device(name: str) -> torch.device:
    """The device a name stands for; `auto` takes cuda, then mps, then cpu.

    Raises:
        SubjectError: torch knows no such device, or this machine has none.
    """
    import torch

    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "mps" if has_mps else "cpu")
    try:
        device = torch.device(name)
        there = {"cuda": has_cuda, "mps": has_mps}.get(device.type, True)
        if device.type == "cuda" and there:
            there = (device.index or 0) < torch.cuda.device_count()
    except RuntimeError:
        there = False
    if not there:
        found = [*(f"cuda:{i}" for i in range(torch.cuda.device_count())), *(["mps"] if has_mps else []), "cpu"]
        raise SubjectError(
            f"There is no device {name!r}.", known=f"There is {', '.join(found)}.", remedy="Or choose: device=auto"
        )
    return device


def _arguments(config: ModelConfig) -> tuple[str, dict[str, Any]]:
    from huggingface_hub import is_offline_mode

    source = find_model(config)
    path = converted(source.path) if source.path and source.is_gguf else source.path
    options = {
        "trust_remote_code": config.trust_remote_code,
        "local_files_only": path is not None or is_offline_mode(),
        **({} if path else {"revision": source.revision}),
    }
    return str(path) if path else source.hub_id, options


def _attention(config: ModelConfig, structure: PreTrainedConfig) -> str | None:
    # Only the eager implementation caps attention scores; the others leave the cap out in silence.
    capped = getattr(structure.get_text_config(), "attn_logit_softcapping", None)
    return config.attention or ("eager" if capped else None)


@contextmanager
def _reported(config: ModelConfig, part: str) -> Iterator[None]:
    """Turns what goes wrong inside into a `SubjectError`; keeps transformers from talking."""
    try:
        from safetensors import SafetensorError
        from transformers.utils import logging
    except ImportError as error:
        raise _missing_package(error) from error
    talk: Any = logging
    verbosity, bars = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity_error()
    talk.disable_progress_bar()
    try:
        yield
    except ImportError as error:
        raise _missing_package(error) from error
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        remedy = "Check that it is a causal language model that this transformers knows, with all its files."
        if "trust_remote_code" in str(error):
            remedy = "If you trust the code that comes with it, set trust_remote_code=true."
        raise SubjectError(
            f"The {part} of {config.model!r} cannot be loaded.", known=first_line(error), remedy=remedy
        ) from error
    finally:
        talk.set_verbosity(verbosity)
        if bars:
            talk.enable_progress_bar()


def _missing_package(error: ImportError) -> SubjectError:
    return SubjectError(
        "A package that loading this model needs is not installed.",
        known=first_line(error),
        remedy="Install neurogloss-transformers again, with all it depends on.",
    )
