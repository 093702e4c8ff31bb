"""What it costs to simulate units in process by a large model: a GPT-2 of some shape with random weights.

Usage: .venv/bin/python benchmarks/speed/simulate_shaped.py [--shape gpt2-xl] [--device cuda] [--units 64] ...

A unit is simulated on ten sequences of 64 tokens, alone and with many others at once. The floor is the model's forward
pass, without its output head and cache, over sequences as long as the prompts and as many tokens at once. What a model
with random weights answers means nothing, what it costs does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from collect import SHAPES
from counted import Counted

from neurogloss.builtin.corpora.bundled import BundledCorpus
from neurogloss.builtin.corpora.configs import BundledConfig
from neurogloss.builtin.simulators.configs import Layout, LogprobConfig
from neurogloss.builtin.simulators.logprob import LogprobSimulator
from neurogloss.pipeline.sequences import token_sequences
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import TokenSequence
from neurogloss_transformers.configs import LocalModelConfig, TransformersSubjectConfig
from neurogloss_transformers.local import LocalModel
from neurogloss_transformers.local_cache import PrefixStore
from neurogloss_transformers.subject import TransformersSubject

sys.path.append(str(Path(__file__).parents[2] / "tests" / "live"))
from serving import plain_folder

N_SEQUENCES, N_TOKENS = 10, 64
PROMPT_TOKENS = 900
"""About as long is the prompt for one sequence."""
LAYOUTS = {"lines": LogprobConfig(), "compact": LogprobConfig(layout=Layout.COMPACT)}


def write_model(folder: str, tokenizer: str, options: argparse.Namespace) -> None:
    """A GPT-2 with random weights, which reads the tokens of another model."""
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    reads = AutoTokenizer.from_pretrained(tokenizer)
    with torch.device(options.device):
        config = GPT2Config(**SHAPES[options.shape], vocab_size=len(reads), bos_token_id=None, eos_token_id=None)
        model = GPT2LMHeadModel(config)
    model.to(getattr(torch, options.dtype)).save_pretrained(folder)
    reads.save_pretrained(folder)


def asked(folder: str) -> list[TokenSequence]:
    """Whole sequences from the first documents that are long enough."""
    subject = TransformersSubject(TransformersSubjectConfig(model=folder, device="cpu"))
    made = token_sequences(subject, BundledCorpus(BundledConfig()), CollectionPlan(sequence_length=N_TOKENS))
    whole = (sequence for sequence in made if len(sequence.pieces) == N_TOKENS)
    return [next(whole) for _ in range(N_SEQUENCES)]


def floor(model: LocalModel, tokens_at_once: int) -> float:
    """Tokens a second of the bare forward pass."""
    assert model._engine is not None
    base = model._engine._model.base_model
    ids = torch.randint(0, 1000, (max(1, tokens_at_once // PROMPT_TOKENS), PROMPT_TOKENS), device=base.device)
    repeats = -(-64 * PROMPT_TOKENS // ids.numel())
    with torch.inference_mode():
        base(input_ids=ids, use_cache=False)
        _wait(base.device)
        begin = time.perf_counter()
        for _ in range(repeats):
            base(input_ids=ids, use_cache=False)
        _wait(base.device)
    return repeats * ids.numel() / (time.perf_counter() - begin)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


async def simulated(
    model: Counted, config: LogprobConfig, explanations: Sequence[str], sequences: Sequence[TokenSequence]
) -> float:
    """Seconds of simulating all explanations at once."""
    simulator = LogprobSimulator(config, model)
    glosses = [ProseExplanation(Provenance("written"), explanation) for explanation in explanations]
    begin = time.perf_counter()
    for outcomes in await asyncio.gather(*(simulator.simulate(gloss, sequences) for gloss in glosses)):
        if failed := [outcome for outcome in outcomes if not isinstance(outcome, Simulation)]:
            raise SystemExit(str(failed[0]))
    return time.perf_counter() - begin


async def measure(options: argparse.Namespace, folder: str, tokens_at_once: int) -> None:
    """Prints a line for each layout and number of units."""
    model = LocalModel(
        LocalModelConfig(folder, device=options.device, dtype=options.dtype, max_batch_tokens=tokens_at_once)
    )
    sequences = asked(folder)
    await simulated(Counted(model), LAYOUTS["lines"], ["words for colours"], sequences[:1])  # loads the model
    floors: list[float] = []
    rows: dict[tuple[str, int], list[tuple[float, int, int]]] = {}
    for repeat in range(options.repeats):
        floors.append(floor(model, tokens_at_once))
        for layout, config in LAYOUTS.items():
            for n_units in (1, options.units):
                assert model._engine is not None
                model._engine._store = PrefixStore()
                counted = Counted(model)
                explanations = [f"words of kind {repeat} {number}" for number in range(n_units)]
                seconds = await simulated(counted, config, explanations, sequences)
                rows.setdefault((layout, n_units), []).append((seconds, counted.n_tokens, counted.n_computed))
    await model.close()
    fastest = statistics.median(floors)
    print(f"{tokens_at_once:,} tokens at once; ", end="")
    print(f"forward pass: {fastest:,.0f} tokens/s ({min(floors):,.0f} to {max(floors):,.0f})\n")
    heads = ("layout", "units at once", "seconds a unit, median", "min", "max", "prompt tokens a unit", "computed")
    print(f"| {' | '.join(heads)} | of the floor |\n|{'---|' * 8}")
    for (layout, n_units), measured in rows.items():
        seconds = [each / n_units for each, _, _ in measured]
        _, n_tokens, n_computed = measured[0]
        share = n_computed / n_units / statistics.median(seconds) / fastest
        times = " | ".join(f"{each:.3f}" for each in (statistics.median(seconds), min(seconds), max(seconds)))
        tokens = f"{n_tokens / n_units:,.0f} | {n_computed / n_units:,.0f}"
        print(f"| {layout} | {n_units} | {times} | {tokens} | {share:.2f} |", flush=True)


def main() -> None:
    """Makes the model and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="gpt2-xl")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--units", type=int, default=64, help="at once")
    parser.add_argument("--tokens-at-once", type=int, nargs="+", default=[4096], help="as llm.max_batch_tokens")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tokenizer", default="", help="a folder; SmolLM2's if not given")
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {options.dtype} on "
        f"{options.device}, {options.shape}, {options.repeats} repeats"
    )
    with tempfile.TemporaryDirectory() as folder:
        write_model(folder, options.tokenizer or plain_folder(), options)
        for tokens_at_once in options.tokens_at_once:
            print()
            asyncio.run(measure(options, folder, tokens_at_once))


if __name__ == "__main__":
    main()
