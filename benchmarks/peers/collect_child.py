"""One tool that reads the values of every MLP neuron, beside the bare pass of the same model; in its environment.

Usage: PYTHON collect_child.py TOOL MODEL_FOLDER TOKENS.npy BATCH THREADS
For each line of standard input, `seconds` or `megabytes`: runs the bare pass and the tool, and prints a line of JSON,
what each of the two took.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

with suppress(ImportError):  # In neurogloss's own environment; before torch, whose threads it tells how to wait.
    import_module("neurogloss_transformers")
import numpy as np
import torch
from batches import Batches

TOP = 20
STRONGEST = 16
"""Neurons that delphi keeps of each token and layer, as many as a sparse autoencoder has latents at work."""


Pass = Callable[[Batches], Any]


def main() -> None:
    name, folder, tokens, size, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    ids = torch.from_numpy(np.load(tokens))
    model = _model(folder)
    tool = TOOLS[name](model, folder)
    for line in sys.stdin:
        told = MEASURES[line.strip()](tool, model, ids, int(size))
        print(json.dumps(told), file=answers, flush=True)


def seconds(tool: Pass, model: Any, ids: torch.Tensor, size: int) -> dict[str, float]:
    """Of the tool is what remains when the batches' bare passes are taken off."""
    # Not counted: what is made at the first call, and pages that were given back since the round before.
    tool(Batches(model, ids[:size], size))
    batches = Batches(model, ids, size)
    begin = time.perf_counter()
    kept = tool(batches)
    whole = time.perf_counter() - begin
    del kept
    return {"bare": batches.bare_seconds, "tool": whole - batches.bare_seconds}


def megabytes(tool: Pass, model: Any, ids: torch.Tensor, size: int) -> dict[str, float]:
    """The most that was held above what was held before; the bare pass comes first, before the tool was ever called."""
    told = {}
    for what, run, runs_bare in (("bare", list, model), ("tool", tool, None)):
        run(Batches(runs_bare, ids[:size], size))
        before = _reset_peak()
        kept = run(Batches(runs_bare, ids, size))
        told[what] = _status("VmHWM") - before
        del kept
    return told


def _model(folder: str) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)


class Tops:
    """The strongest maxima of each neuron, and the sequences that they are of."""

    def __init__(self, model: Any) -> None:
        shape = (len(model.model.layers), model.config.intermediate_size, TOP)
        self._values = torch.full(shape, -torch.inf)
        self._sequences = torch.zeros(shape, dtype=torch.long)

    def add(self, layer: int, maxima: torch.Tensor, first: int) -> None:
        """Takes the maxima [sequence neuron] of a batch whose first sequence has this number."""
        numbers = (first + torch.arange(len(maxima))).expand(maxima.shape[1], -1)
        values = torch.cat([self._values[layer], maxima.T], dim=1)
        sequences = torch.cat([self._sequences[layer], numbers], dim=1)
        self._values[layer], places = values.topk(TOP, dim=1, sorted=False)
        self._sequences[layer] = sequences.gather(1, places)


def _numbered(batches: Batches) -> Iterator[tuple[int, torch.Tensor]]:
    first = 0
    for batch in batches:
        yield first, batch
        first += len(batch)


def hooks(model: Any, _folder: str) -> Pass:
    """Plain hooks that keep the strongest maxima as they come."""

    def run(batches: Batches) -> Tops:
        tops, state = Tops(model), {"first": 0}

        def hook(layer: int) -> Any:
            return lambda _module, inputs: tops.add(layer, inputs[0].amax(1), state["first"])

        handles = [each.mlp.down_proj.register_forward_pre_hook(hook(i)) for i, each in enumerate(model.model.layers)]
        with torch.inference_mode():
            for first, batch in _numbered(batches):
                state["first"] = first
                model.model(batch, use_cache=False)
        for handle in handles:
            handle.remove()
        return tops

    return run


def keep(model: Any, _folder: str) -> Pass:
    """Plain hooks that keep every value until the end."""

    def run(batches: Batches) -> list[torch.Tensor]:
        kept: list[list[torch.Tensor]] = [[] for _ in model.model.layers]

        def hook(layer: int) -> Any:
            return lambda _module, inputs: kept[layer].append(inputs[0].clone())

        handles = [each.mlp.down_proj.register_forward_pre_hook(hook(i)) for i, each in enumerate(model.model.layers)]
        with torch.inference_mode():
            for batch in batches:
                model.model(batch, use_cache=False)
        for handle in handles:
            handle.remove()
        return [torch.cat(each).amax(1).topk(min(TOP, sum(map(len, each))), dim=0).values for each in kept]

    return run


def transformer_lens(model: Any, folder: str) -> Pass:
    """`run_with_cache` of the values before each MLP's output, reduced after each batch."""
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    bridge = TransformerBridge.boot_transformers(folder, device="cpu", hf_model=_model(folder), tokenizer=tokenizer)
    names = [f"blocks.{i}.mlp.out.hook_in" for i in range(len(model.model.layers))]

    def run(batches: Batches) -> Tops:
        tops = Tops(model)
        with torch.inference_mode():
            for first, batch in _numbered(batches):
                _, cache = bridge.run_with_cache(batch, names_filter=names, return_type=None)
                for layer, name in enumerate(names):
                    tops.add(layer, cache[name].amax(1), first)
        return tops

    return run


def nnsight(model: Any, _folder: str) -> Pass:
    """A trace of each batch that saves the maxima."""
    from nnsight import NNsight, save

    traced = NNsight(model.model)

    def run(batches: Batches) -> Tops:
        tops = Tops(model)
        with torch.inference_mode():
            for first, batch in _numbered(batches):
                with traced.trace(batch, use_cache=False):
                    maxima = save([])
                    for layer in traced.layers:
                        maxima.append(layer.mlp.down_proj.input.amax(1))
                for layer, each in enumerate(maxima):
                    tops.add(layer, each, first)
        return tops

    return run


def _delphi(model: Any, layers: int, encode: Callable[[Any], Any]) -> Pass:
    from delphi.latents import LatentCache

    named = {f"model.layers.{i}.mlp.down_proj": encode for i in range(layers)}

    def run(batches: Batches) -> Any:
        cache = LatentCache(model, named, batch_size=batches.size, transcode=True)
        cache.load_token_batches = lambda *_: batches  # else it cuts the same ones itself
        cache.run(batches.tokens.numel(), batches.tokens)
        with tempfile.TemporaryDirectory() as written:
            cache.save_splits(n_splits=5, save_dir=Path(written))
        return cache

    return run


def delphi(model: Any, _folder: str) -> Pass:
    """Its cache of the strongest neurons of each token and layer, written."""

    def encode(values: torch.Tensor) -> torch.Tensor:
        strongest = values.topk(STRONGEST, dim=-1)
        return torch.zeros_like(values).scatter_(-1, strongest.indices, strongest.values)

    return _delphi(model, len(model.model.layers), encode)


def delphi_3_layers(model: Any, _folder: str) -> Pass:
    """Its cache of all neurons, of three layers alone, since that of all does not fit."""
    return _delphi(model, 3, lambda values: values)


def neurogloss(model: Any, folder: str) -> Pass:
    """All neurons' records and statistics, written."""
    from neurogloss_collect import collecting

    return collecting(model, folder, splits=False)


def neurogloss_splits(model: Any, folder: str) -> Pass:
    """The same of each of four splits, the default."""
    from neurogloss_collect import collecting

    return collecting(model, folder, splits=True)


OURS = (neurogloss, neurogloss_splits)
TOOLS = {each.__name__: each for each in (*OURS, hooks, keep, transformer_lens, nnsight, delphi, delphi_3_layers)}
MEASURES = {each.__name__: each for each in (seconds, megabytes)}


def _status(name: str) -> float:
    """A line of the process's status in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def _reset_peak() -> float:
    """Forgets how much memory was ever held, and gives back what is free; megabytes held now."""
    with suppress(AttributeError):  # not of glibc
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


if __name__ == "__main__":
    if sys.argv[1].startswith("delphi"):
        from without_vllm import pretend

        pretend()
    main()
