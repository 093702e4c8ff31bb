"""What it costs to read the values of all MLP neurons of SmolLM2, in neurogloss and in other tools.

    .venv/bin/python benchmarks/peers/collect.py [--only TOOL ...] [--tokens N] [--repeats N] [--batch N]

Each tool runs in its own environment (see environments.py), in turn with the bare pass of the same model there: without
output head, without cache, in inference mode. Time is over that pass, memory is the most that was held
above it. benchmarks/speed/collect.py says more of neurogloss alone, whose batches it times one by one.
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
from typing import Any

import numpy as np
from environments import ROOT, python_of
from work import TEXT

sys.path.append(str(ROOT / "tests" / "live"))
from serving import plain_folder

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
            rounds = _rounds(python, tool, tokens, options)
            ratios = [each["tool"]["seconds"] / each["bare"]["seconds"] for each in rounds]
            cells = [f"{value:.2f}" for value in (statistics.median(ratios), min(ratios), max(ratios))]
            above = max(each["tool"]["mb"] for each in rounds) - max(each["bare"]["mb"] for each in rounds)
            print(f"| {what} | {' | '.join(cells)} | {above:,.0f} |", flush=True)


def _tokens(n: int) -> np.ndarray:
    """Real text, token after token: int64 [sequence pos]."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(plain_folder()) / "tokenizer.json"))
    ids = tokenizer.encode(Path(TEXT).read_text("utf-8")[: 10 * n]).ids[:n]
    return np.array(ids[: len(ids) // LENGTH * LENGTH]).reshape(-1, LENGTH)


def _rounds(python: str, tool: str, tokens: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    script = str(Path(__file__).with_name("collect_child.py"))
    command = [python, script, tool, plain_folder(), str(tokens), str(options.batch), str(options.threads)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(options.threads)}
    asked = "\n" * options.repeats
    done = subprocess.run(
        command, input=asked, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=environment
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    main()
