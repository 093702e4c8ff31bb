"""What collecting the activations of every MLP neuron costs over running the model.

Usage: .venv/bin/python benchmarks/speed/collect.py [--text FILE] [--shape gpt2-xl] [--tenfold] ...

The floor is the model's forward pass without its output head, in inference mode and without cache, at the batch size at
which it is fastest. On a CPU each batch is run bare just before it is collected from, so that both meet the same
machine; on a GPU, which is told what to do before it does it, whole passes are run in turn. What is done beyond the
batches (preparing, writing) counts as collection. A CPU's memory is measured in processes of their own.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

# Before torch, whose threads the plugin tells how to wait.
from neurogloss_transformers.configs import SMOLLM2, TransformersSubjectConfig  # isort: skip
import numpy as np
import torch

from neurogloss.builtin.corpora.bundled import BundledCorpus
from neurogloss.builtin.corpora.configs import BundledConfig
from neurogloss.interfaces.corpus import Corpus
from neurogloss.pipeline.collection import collect_units
from neurogloss.pipeline.sequences import batches
from neurogloss.records.documents import Document
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Batch, Split, Tokenized
from neurogloss.records.units import Site, UnitId
from neurogloss.reducers.unit_reducer import UnitReducer
from neurogloss.store.activations import ActivationStore
from neurogloss_transformers.loading import choose_device
from neurogloss_transformers.moving import to_device
from neurogloss_transformers.sites import find_mlp_sites
from neurogloss_transformers.subject import TransformersSubject

LENGTH = 64
BATCH_SIZES = {"cpu": (4, 8, 16, 32), "cuda": (32, 64, 128, 256, 512)}
SHAPES: Mapping[str, Mapping[str, int]] = {
    "gpt2": {"n_embd": 768, "n_layer": 12, "n_head": 12},
    "gpt2-xl": {"n_embd": 1600, "n_layer": 48, "n_head": 25},
}
PLANS = {
    "four splits": CollectionPlan(sequence_length=LENGTH),
    "one split": CollectionPlan(
        sequence_length=LENGTH, n_importance=0, split_shares={split: float(split is Split.EXPLAIN) for split in Split}
    ),
}
"""The default, which keeps samples of each split; and one split without a sample by importance, as other tools do."""


class Pieces(Corpus):
    """A text cut into documents of as many characters as most sequences have, over and over until there are enough."""

    def __init__(self, text: str, tokens: int) -> None:
        self._text, self._tokens = text, tokens

    def identity(self) -> Mapping[str, str]:
        return {"pieces": str(self._tokens)}

    def documents(self) -> Iterator[Document]:
        # Longer than 64 tokens: all but the last sequence of each document are full.
        for number in range(self._tokens):
            start = number * 4000 % len(self._text)
            yield Document(str(number), self._text[start : start + 4000])


class TimedSubject(TransformersSubject):
    """A subject that can run each batch bare before it is collected from, and knows how long things took."""

    def __init__(self, config: TransformersSubjectConfig) -> None:
        super().__init__(config)
        self.runs_bare = False
        self.bare_seconds = self.pass_seconds = 0.0

    def collect(self, batches: Iterable[Batch], reducer: UnitReducer) -> None:
        begin = time.perf_counter()
        super().collect(self._timed(batches) if self.runs_bare else batches, reducer)
        self.pass_seconds = time.perf_counter() - begin - self.bare_seconds

    def _timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            self.bare_seconds += self.bare([batch])
            yield batch

    def bare(self, batches: Iterable[Batch]) -> float:
        """Seconds of the forward pass."""
        base = self._model.base_model
        begin = time.perf_counter()
        with torch.inference_mode():
            for batch in batches:
                mask = None if batch.attended.all() else to_device(batch.attended, base.device).long()
                base(input_ids=to_device(batch.token_ids, base.device), attention_mask=mask, use_cache=False)
        if base.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - begin


class ShapedSubject(TimedSubject):
    """GPT-2 of some shape with random weights, which reads random tokens."""

    def __init__(self, shape: str, config: TransformersSubjectConfig) -> None:
        super().__init__(config)
        self._shape = shape

    def identity(self) -> Mapping[str, str]:
        return {"model": f"random {self._shape}"}

    @property
    def bos_token_id(self) -> None:
        return None

    def tokenize(self, documents: Sequence[Document]) -> list[Tokenized]:
        ids = np.random.default_rng(0)
        spans = np.stack([np.arange(LENGTH * 16), np.arange(LENGTH * 16) + 1], axis=1)
        plain = np.zeros(LENGTH * 16, dtype=bool)
        return [
            Tokenized(document.text.ljust(LENGTH * 16), ids.integers(0, 50257, LENGTH * 16), spans, plain)
            for document in documents
        ]

    @cached_property
    def _model(self) -> Any:
        from transformers import GPT2Config, GPT2LMHeadModel

        torch.manual_seed(0)
        torch.set_default_dtype(getattr(torch, self._config.dtype))
        with choose_device(self._config.device):
            model = GPT2LMHeadModel(GPT2Config(**SHAPES[self._shape]))
        torch.set_default_dtype(torch.float32)
        return model.eval().requires_grad_(False)

    @cached_property
    def _sites(self) -> dict[str, Site]:
        return {located.site.name: located.site for located in find_mlp_sites(self._model)}


class Bench:
    """One model, one text, one plan."""

    def __init__(self, options: argparse.Namespace, root: Path) -> None:
        torch.set_num_threads(options.threads)
        config = TransformersSubjectConfig(options.shape or options.model, device=options.device, dtype=options.dtype)
        self.subject = ShapedSubject(options.shape, config) if options.shape else TimedSubject(config)
        self.plan = PLANS[options.plan]
        self.store = ActivationStore(root)
        text = Path(options.text).read_text("utf-8") if options.text else _bundled()
        self.corpus = Pieces(text, options.tokens)
        self.units = [UnitId(site.name, i) for site in self.subject.sites() for i in range(site.n_units)]
        self.plan = CollectionPlan(
            sequence_length=LENGTH,
            n_importance=self.plan.n_importance,
            split_shares=self.plan.split_shares,
            max_documents=-(-options.tokens // (LENGTH * 15)),
        )
        # Tokenizes, loads the model and compiles the reducers' loops, none of which is measured. Kernels are compiled
        # anew for a number of units that is no multiple of 16.
        collect_units(self.subject, self.corpus, self.units[:16], self.plan, self.store, batch_size=64)
        self.collection = self.store.root / self.store.keys()[0]
        table = self.store.open(self.store.keys()[0]).tokens()
        assert table is not None
        self.sequences = list(table.sequences())
        self.n_tokens = sum(map(len, self.sequences))

    def floor(self, batch_size: int) -> float:
        """Seconds of the forward pass alone."""
        longest_first = sorted(self.sequences, key=len, reverse=True)
        return self.subject.bare(batches(longest_first, batch_size))

    def collect(self, batch_size: int) -> tuple[float, int]:
        """Seconds of collecting all units, without what runs bare, and bytes written."""
        for old in self.collection.glob("units-*"):
            shutil.rmtree(old)
        self.subject.bare_seconds = 0.0
        begin = time.perf_counter()
        collect_units(self.subject, self.corpus, self.units, self.plan, self.store, batch_size=batch_size)
        seconds = time.perf_counter() - begin - self.subject.bare_seconds
        return seconds, sum(file.stat().st_size for file in self.collection.glob("units-*/*"))


def _bundled() -> str:
    return "\n".join(document.text for document in BundledCorpus(BundledConfig()).documents())


def _memory(options: argparse.Namespace, what: str, batch_size: int, tokens: int) -> float:
    """The most memory of a process that does one thing, in MB."""
    given = [f"--{name}={getattr(options, name)}" for name in ("model", "device", "dtype", "threads", "plan")]
    given += [f"--{name}={getattr(options, name)}" for name in ("text", "shape") if getattr(options, name)]
    command = [sys.executable, __file__, *given, f"--tokens={tokens}", f"--memory-of={what}", f"--batch={batch_size}"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


@contextmanager
def _device_memory(what: str, most: dict[str, int]) -> Iterator[None]:
    """Notes the most memory of the GPU, in bytes, that tensors take within the block."""
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    yield
    if torch.cuda.is_initialized():
        most[what] = max(most.get(what, 0), torch.cuda.max_memory_allocated())


def _line(name: str, values: Sequence[float], form: str = ".2f") -> None:
    shown = [f"{value:{form}}" for value in (statistics.median(values), min(values), max(values))]
    print(f"| {name} | {' | '.join(shown)} |", flush=True)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=SMOLLM2, help="as subject.model")
    parser.add_argument("--shape", choices=SHAPES, help="GPT-2 of this shape with random weights instead")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--text", default="", help="a text file; else the bundled corpus")
    parser.add_argument("--tokens", type=int, default=16_384, help="about as many")
    parser.add_argument("--plan", choices=PLANS, default="four splits")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=0, help="instead of the floor's best")
    parser.add_argument("--no-memory", action="store_true", help="speed alone")
    parser.add_argument("--tenfold", action="store_true", help="memory on ten times the tokens, too")
    parser.add_argument("--memory-of", choices=("floor", "collection"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        if options.memory_of:
            # Loading took more than running does, so the kernel is told to forget the peak.
            Path("/proc/self/clear_refs").write_text("5")
            bench.floor(options.batch) if options.memory_of == "floor" else bench.collect(options.batch)
            status = Path("/proc/self/status").read_text()
            print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
            return
        on_gpu = options.device.startswith("cuda")
        sizes = [options.batch] if options.batch else BATCH_SIZES["cuda" if on_gpu else "cpu"]
        tried = {size: bench.floor(size) for size in sizes}
        best = min(tried, key=lambda size: tried[size])
        n_units = len(bench.units)
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {options.threads} threads, "
            f"{options.dtype} on {options.device}; {n_units:,} units of {options.shape or options.model}, "
            f"{bench.n_tokens:,} tokens in sequences of {LENGTH}, {options.plan}, batches of {best}\n"
        )
        floors, collections, passes, written = [], [], [], 0
        device_memory: dict[str, int] = {}
        bench.subject.runs_bare = not on_gpu
        for _ in range(options.repeats):
            with _device_memory("forward pass", device_memory):
                floor = bench.floor(best) if on_gpu else 0.0
            with _device_memory("collection", device_memory):
                seconds, written = bench.collect(best)
            collections.append(seconds)
            passes.append(bench.subject.pass_seconds)
            floors.append(floor or bench.subject.bare_seconds)
        print("| measure | median | min | max |\n|---|---|---|---|")
        _line("forward pass: tokens/s", [bench.n_tokens / seconds for seconds in floors], ".0f")
        _line("collection: tokens/s", [bench.n_tokens / seconds for seconds in collections], ".0f")
        ratios = [floor / seconds for floor, seconds in zip(floors, collections, strict=True)]
        _line("collection, of the floor", ratios)
        _line(
            "of its seconds after the pass",
            [all_of_it - one for all_of_it, one in zip(collections, passes, strict=True)],
            ".1f",
        )
        for what, peak in device_memory.items():
            print(f"| {what}, peak memory on the device: MB | {peak / 1e6:,.0f} | | |")
    print(f"| written: MB | {written / 1e6:.0f} | | |", flush=True)
    without_memory = options.no_memory or on_gpu
    floor = 0.0 if without_memory else _memory(options, "floor", best, options.tokens)
    for factor in () if without_memory else (1, 10) if options.tenfold else (1,):
        peak = _memory(options, "collection", best, factor * options.tokens)
        tokens = f"{factor * options.tokens:,} tokens"
        print(f"| peak memory, {tokens}: MB | {peak:.0f} | | |")
        print(f"| of it above the forward pass, {tokens}: MB | {peak - floor:.0f} | | |", flush=True)
    print(f"\nratio {statistics.median(ratios):.2f} of the floor")


if __name__ == "__main__":
    main()
