"""What it costs to read the values of all MLP neurons of SmolLM2, in neurogloss and in other tools.

    .venv/bin/python benchmarks/peers/collect.py [--only TOOL ...] [--tokens N] [--repeats N] [--batch N]

Each tool runs in its own environment (see environments.py). Each batch runs bare (without output head, without cache,
in inference mode) just before the tool gets it, so that both meet the same machine. Time is that of the tool without
those bare passes, over theirs. For it every process keeps freed memory for the next tensors, as neurogloss has it by
itself: else a tool would pay for pages, or find those that it did not pay for. Memory is measured in processes without
that setting, as users get it: the most that was held above what the bare pass held.
benchmarks/speed/collect.py says more of neurogloss alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from environments import ROOT, python_of
from work import TEXT

sys.path.append(str(ROOT / "tests" / "live"))
from serving import plain_folder

CHILD = Path(__file__).with_name("collect_child.py")
LENGTH = 64
TOOLS = {
    "neurogloss": ("neurogloss", "neurogloss: records with values and statistics of one split, written"),
    "neurogloss_splits": ("neurogloss", "neurogloss: the same of each of four splits, written"),
    "hooks": ("hooks", "plain hooks: the 20 highest maxima of each neuron"),
    "keep": ("hooks", "plain hooks that keep everything"),
    "transformer_lens": ("transformer_lens", "TransformerLens 4.3: maxima from run_with_cache"),
    "nnsight": ("nnsight", "nnsight 0.8: maxima from a trace"),
    "delphi": ("delphi", "delphi: the 16 strongest neurons of each token and layer, written"),
    "delphi_3_layers": ("delphi", "delphi: all neurons of 3 of the 30 layers, written"),
}
"""The environment, and what is measured."""
KEEPS_FREED_MEMORY = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(1 << 30))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(TOOLS), default=list(TOOLS))
    parser.add_argument("--tokens", type=int, default=16_384)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.threads} threads, "
        f"{options.tokens:,} tokens in sequences of {LENGTH}, batches of {options.batch}, {options.repeats} repeats\n"
    )
    print("| tool | seconds over the bare pass, median | min | max | MB above it |\n|" + "---|" * 5, flush=True)
    with tempfile.TemporaryDirectory() as written:
        tokens = Path(written) / "tokens.npy"
        np.save(tokens, _tokens(options.tokens))
        for tool in options.only:
            environment, what = TOOLS[tool]
            python = sys.executable if environment == "neurogloss" else python_of(environment)
            command = [python, str(CHILD), tool, plain_folder(), str(tokens), str(options.batch), str(options.threads)]
            rounds = _measured(command, ["seconds"] * options.repeats, KEEPS_FREED_MEMORY)
            ratios = [each["tool"] / each["bare"] for each in rounds]
            cells = [f"{value:.2f}" for value in (statistics.median(ratios), min(ratios), max(ratios))]
            (peaks,) = _measured(command, ["megabytes"], {})
            print(f"| {what} | {' | '.join(cells)} | {peaks['tool'] - peaks['bare']:,.0f} |", flush=True)


def _tokens(n: int) -> np.ndarray:
    """Real text, token after token: int64 [sequence pos]."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(plain_folder()) / "tokenizer.json"))
    ids = tokenizer.encode(Path(TEXT).read_text("utf-8")[: 10 * n]).ids[:n]
    return np.array(ids[: len(ids) // LENGTH * LENGTH]).reshape(-1, LENGTH)


def _measured(command: list[str], asked: list[str], settings: dict[str, str]) -> list[dict[str, float]]:
    """What a process of its own answers to each question, of the tool and of the bare pass."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": command[-1]} | settings
    lines = "\n".join(asked)
    done = subprocess.run(
        command, input=lines, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=environment
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    main()
