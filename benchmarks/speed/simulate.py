"""What it costs to simulate a unit: in process, and through one vLLM server of the same model on the same cores.

A unit is scored on ten sequences of 64 tokens. Its function is known: it is 1 at the tokens that a pattern matches.
Ways take turns on the same explanations and sequences, another explanation in each repeat, and prefixes are forgotten
before each first unit.

Usage: .venv/bin/python benchmarks/speed/simulate.py [--repeats N] [WAY ...]

Without ways: all in process. Those through the server start one from .venv-vllm (scripts/vllm_environment.sh). `peer`
makes the environment of automated-interpretability first; see benchmarks/peers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from counted import Counted

from neurogloss.builtin.corpora.bundled import BundledCorpus
from neurogloss.builtin.corpora.configs import BundledConfig
from neurogloss.builtin.simulators.configs import Layout, LogprobConfig, Mode
from neurogloss.builtin.simulators.logprob import LogprobSimulator
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.pipeline.sequences import token_sequences
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import TokenSequence
from neurogloss_openai.clients import Body, Server
from neurogloss_openai.configs import ChoiceMethod, Endpoint, OpenAIConfig
from neurogloss_openai.model import OpenAIModel
from neurogloss_transformers.configs import LocalModelConfig, TransformersSubjectConfig
from neurogloss_transformers.local import LocalModel
from neurogloss_transformers.local_cache import PrefixStore
from neurogloss_transformers.subject import TransformersSubject

N_SEQUENCES, N_TOKENS = 10, 64
ROOT = Path(__file__).parents[2]
PEER = ROOT / "benchmarks" / "peers" / "one_unit.py"
VLLM = ROOT / ".venv-vllm" / "bin" / "python"
REFERENCE = 11_258
"""Prompt tokens of OpenAI's all-at-once simulation of the same: its whole prompt for each sequence."""
UNITS = {
    "numbers, written with digits": r"\d+",
    "punctuation marks": r"[.,;:!?]+",
    "the word the": r"the",
    "words that begin with a capital letter": r"[A-Z][a-z]+",
    "prepositions such as of, in, on and at": r"of|in|on|at|by|with|from|to",
    "pronouns such as he, she, it and they": r"he|she|it|they|his|her|its|their|we|you|i",
}
"""Explanations and the tokens at which they are true, without the space before."""
SMOLLM2 = LocalModelConfig().model
sys.path.append(str(ROOT / "tests" / "live"))
from serving import plain_folder, served  # noqa: E402


@dataclass
class Cost:
    """Of one way: a value for each unit simulated."""

    requests: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)
    """Of these, those that were read from no cache."""
    seconds: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    unanswered: list[float] = field(default_factory=list)
    """Tokens without an answer: the server lists twenty tokens, and none of them is a level."""


@dataclass(frozen=True)
class Way:
    """How a unit is simulated."""

    name: str
    model: Callable[[], LanguageModel] | None
    """`None` where another tool does it."""
    config: LogprobConfig = field(default_factory=LogprobConfig)
    whole: bool = False
    """Every sequence is computed whole, as if nothing were shared."""
    serves: bool = False
    """Through the server."""


@cache
def local(dtype: str) -> LocalModel:
    """One model for all ways in this dtype."""
    return LocalModel(LocalModelConfig(device="cpu", dtype=dtype))


def ways(address: str) -> dict[str, Way]:
    """All of them, by the name under which they are asked for."""

    def server(method: ChoiceMethod) -> Callable[[], LanguageModel]:
        config = OpenAIConfig(model="smollm2", provider="vllm", base_url=f"{address}/v1", api_key_env=None)
        config.choice_method, config.parallel_calls = method, N_TOKENS
        return lambda: OpenAIModel(config)

    compact = LogprobConfig(layout=Layout.COMPACT)
    in_turn = LogprobConfig(mode=Mode.ONE_AT_A_TIME)
    echo, slots = server(ChoiceMethod.ECHO), server(ChoiceMethod.SLOTS)
    return {
        "whole": Way("in process, float32, each sequence computed whole", lambda: local("float32"), whole=True),
        "lines": Way("in process, float32", lambda: local("float32")),
        "lines_bf16": Way("in process, bfloat16", lambda: local("bfloat16")),
        "compact": Way("in process, float32, compact", lambda: local("float32"), compact),
        "compact_bf16": Way("in process, bfloat16, compact", lambda: local("bfloat16"), compact),
        "echo": Way("server, one-call echo", echo, serves=True),
        "echo_compact": Way("server, one-call echo, compact", echo, compact, serves=True),
        "slots": Way("server, one-token calls together", slots, serves=True),
        "slots_compact": Way("server, one-token calls together, compact", slots, compact, serves=True),
        "peer": Way("server, automated-interpretability", None, serves=True),
        "one_at_a_time": Way("server, one token at a time", slots, in_turn, serves=True),
    }


def asked() -> list[TokenSequence]:
    """Whole sequences from the first documents that are long enough."""
    subject = TransformersSubject(TransformersSubjectConfig(model=SMOLLM2, device="cpu"))
    made = token_sequences(subject, BundledCorpus(BundledConfig()), CollectionPlan(sequence_length=N_TOKENS))
    whole = (sequence for sequence in made if len(sequence.pieces) == N_TOKENS)
    return [next(whole) for _ in range(N_SEQUENCES)]


@contextmanager
def calls() -> Iterator[list[Endpoint]]:
    """Gives the calls to servers within the block."""
    made: list[Endpoint] = []
    ask = Server.ask

    async def note(self: Server, endpoint: Endpoint, body: Body) -> Body:
        made.append(endpoint)
        return await ask(self, endpoint, body)

    Server.ask = note  # type: ignore[method-assign]
    try:
        yield made
    finally:
        Server.ask = ask  # type: ignore[method-assign]


async def simulated(
    way: Way, counted: Counted, explanation: str, sequences: Sequence[TokenSequence]
) -> tuple[float, np.ndarray]:
    """Seconds, and the expected levels [sequence token]."""
    simulator = LogprobSimulator(way.config, counted)
    gloss = ProseExplanation(Provenance("written"), explanation)
    started = time.perf_counter()
    outcomes = await simulator.simulate(gloss, sequences)
    seconds = time.perf_counter() - started
    failed = [outcome for outcome in outcomes if not isinstance(outcome, Simulation)]
    if failed:
        raise SystemExit(f"{way.name}: {failed[0]}")
    return seconds, np.array([outcome.expected for outcome in outcomes if isinstance(outcome, Simulation)])


def truth(explanation: str, sequence: TokenSequence) -> np.ndarray:
    """At which tokens an explanation is true: bool [pos]."""
    pattern = re.compile(UNITS[explanation])
    return np.array([bool(pattern.fullmatch(token.strip())) for token in sequence.tokens])


def score(explanation: str, sequences: Sequence[TokenSequence], levels: np.ndarray) -> float:
    """The correlation with the truth over all tokens together that have an answer."""
    real, answered = np.array([truth(explanation, each) for each in sequences]), ~np.isnan(levels)
    return float(np.corrcoef(real[answered], levels[answered])[0, 1])


def forget(model: LanguageModel, *, whole: bool) -> None:
    """Empties the store of prefixes of a model in process, and says whether it shares any."""
    if isinstance(model, LocalModel) and model._engine is not None:
        model._engine._store = PrefixStore()
        model._engine.shares_prefixes = not whole


def peer(explanation: str, sequences: Sequence[TokenSequence], address: str) -> dict[str, float]:
    """What `automated-interpretability` needs for the same: seconds, requests, prompt_tokens, score."""
    scored = [
        {"pieces": list(each.tokens), "piece_values": truth(explanation, each).astype(float).tolist()}
        for each in sequences
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"explanation": explanation, "scored": scored}, file)
        file.flush()
        command = [sys.executable, str(PEER), file.name, "--base-url", f"{address}/v1", "--model", "smollm2"]
        found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def add(cost: Cost, *measured: float) -> None:
    """Notes one unit, in the order of the fields, and says so."""
    for values, value in zip(vars(cost).values(), measured, strict=True):
        values.append(value)
    print(", ".join(f"{name} {values[-1]:g}" for name, values in vars(cost).items()), file=sys.stderr, flush=True)


async def measure(
    chosen: Sequence[Way], repeats: int, address: str
) -> tuple[dict[str, tuple[Cost, Cost]], float | None]:
    """Costs of the first and of a further unit for each way; the most by which sharing changes a level."""
    sequences, explanations = asked(), list(UNITS)
    costs: dict[str, tuple[Cost, Cost]] = defaultdict(lambda: (Cost(), Cost()))
    levels: dict[str, list[np.ndarray]] = defaultdict(list)
    models = {way.name: way.model() for way in chosen if way.model is not None}
    for way in (way for way in chosen if way.model is not None):  # imports, weights, and what a server compiles
        await simulated(way, Counted(models[way.name]), "words for colours", sequences[:1])
    for repeat in range(repeats):
        for way in chosen:
            if way.model is None:
                told = peer(explanations[repeat % len(explanations)], sequences, address)
                tokens = told["prompt_tokens"]
                add(costs[way.name][0], told["requests"], tokens, tokens, told["seconds"], told["score"], 0)
                continue
            model = models[way.name]
            forget(model, whole=way.whole)
            # Elsewhere a further unit costs what the first does: a server's cache is not ours to empty.
            units = costs[way.name][: 1 if way.whole or way.serves else 2]
            for cost, place in zip(units, (repeat, repeat + repeats), strict=False):
                explanation, counted = explanations[place % len(explanations)], Counted(model)
                with calls() as asked_of_server:
                    seconds, found = await simulated(way, counted, explanation, sequences)
                levels[way.name].append(found)
                requests, correlation = len(asked_of_server) or len(sequences), score(explanation, sequences, found)
                add(cost, requests, counted.n_tokens, counted.n_computed, seconds, correlation, np.isnan(found).sum())
    for model in {id(model): model for model in models.values()}.values():
        await model.close()
    whole, shared = (levels[ways("")[name].name] for name in ("whole", "lines"))
    apart = max(
        (float(np.abs(one - other).max()) for one, other in zip(whole, shared[::2], strict=False)), default=None
    )
    return dict(costs), apart


def cell(values: Sequence[float], shape: str) -> str:
    """The median, and the least and the most where they differ."""
    middle, least, most = (format(each, shape) for each in (statistics.median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least} to {most})"


def table(costs: Mapping[str, tuple[Cost, Cost]]) -> None:
    """Prints a line for each way."""
    heads = ("simulated by", "requests", "prompt tokens", "computed", f"of {REFERENCE:,}", "seconds")
    heads += ("a further unit: computed", f"of {REFERENCE:,}", "seconds", "score", "unanswered")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, (first, further) in costs.items():
        cells = [name, cell(first.requests, ".0f"), cell(first.tokens, ",.0f")]
        for cost in (first, further) if further.seconds else (first,):
            share = statistics.median(cost.computed) / REFERENCE
            cells += [cell(cost.computed, ",.0f"), f"{share:.3f}", cell(cost.seconds, ".2f")]
        cells += [""] * (len(heads) - 2 - len(cells))
        cells.append(f"{statistics.mean([*first.scores, *further.scores]):.3f}")
        cells.append(cell([*first.unanswered, *further.unanswered], ".0f"))
        print(f"| {' | '.join(cells)} |")


async def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("ways", nargs="*", default=["whole", "lines", "lines_bf16", "compact", "compact_bf16"])
    arguments = parser.parse_args()
    with ExitStack() as stack:
        address = ""
        if any(ways("")[name].serves for name in arguments.ways):
            log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "server.log"
            options = ("--enforce-eager", "--enable-prompt-tokens-details")
            address = stack.enter_context(served(str(VLLM), plain_folder(), "smollm2", "bfloat16", log, options))
        costs, apart = await measure([ways(address)[name] for name in arguments.ways], arguments.repeats, address)
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {arguments.repeats} repeats\n")
    table(costs)
    if apart is not None:
        print(f"\nIn process, levels with a shared prefix are at most {apart:.1e} from those computed whole (float32).")


if __name__ == "__main__":
    asyncio.run(main())
