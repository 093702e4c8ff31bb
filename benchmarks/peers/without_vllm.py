"""Lets delphi be imported without vllm, which it imports for a client that is not used here."""

from __future__ import annotations

import sys
from types import ModuleType

STUBS = {
    "vllm": ("LLM", "SamplingParams"),
    "vllm.distributed": (),
    "vllm.distributed.parallel_state": ("destroy_distributed_environment", "destroy_model_parallel"),
    "vllm.inputs": ("TokensPrompt",),
}


def pretend() -> None:
    """Puts empty modules in its place."""
    for name, members in STUBS.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member, object)
        sys.modules[name] = module
