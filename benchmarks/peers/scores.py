"""neurogloss and its peers at one vLLM server of SmolLM2: what each asks for, needs, and says of the same units.

    .venv/bin/python benchmarks/peers/scores.py PART ... [--base-url URL] [--units N]

PART is one of `explain`, `simulation`, `json`, `detection` and `fuzzing`. Without an address it starts a server from
.venv-vllm (scripts/vllm_environment.sh). Requests and tokens are those that the server counts. Makes the environments
of the peers first; see environments.py.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from children import Child
from environments import FOLDER, ROOT, python_of
from served import counted
from work import exported

sys.path.append(str(ROOT / "tests" / "live"))
from serving import plain_folder, served

HERE = Path(__file__).parent
EXPLANATIONS = FOLDER / "explanations.json"
MODEL = "smollm2"
MAX_TOKENS = 60
MOST_OF_PEERS = 0.5
"""What neurogloss may need of a peer's prompt tokens."""
WRITTEN = ["explainer=written", f"explainer.file={EXPLANATIONS}"]
TOP_100 = "llm.top_logprobs=100"
Row = tuple[str, str, dict[str, Any]]
"""What is compared, how, and the job."""
PARTS: dict[str, list[Row]] = {
    "explain": [
        ("neurogloss", "token_activation", {"overrides": ["explainer=token_activation", "scorer=[]"]}),
        ("openai", "TokenActivationPairExplainer", {"do": ["explain"]}),
        ("neurogloss", "delphi", {"overrides": ["explainer=delphi", "scorer=[]"]}),
        ("delphi", "DefaultExplainer", {"do": ["explain"]}),
    ],
    "simulation": [
        ("neurogloss", "logprob", {"overrides": [*WRITTEN, "scorer=[openai_2023]"]}),
        ("openai", "ExplanationNeuronSimulator", {"do": ["simulate"]}),
        (
            "neurogloss",
            "logprob, 5 sequences a request, 100 log-probabilities",
            {"overrides": [*WRITTEN, "simulator.sequences_per_request=5", "scorer=[openai_2023]", TOP_100]},
        ),
    ],
    "json": [
        ("neurogloss", "json", {"overrides": [*WRITTEN, "simulator=json", "scorer=[openai_2023]"]}),
        ("delphi", "OpenAISimulator", {"do": ["simulation"]}),
    ],
}
for name in ("detection", "fuzzing"):
    scorer = f"{name}_delphi"
    overrides = [*WRITTEN, f"scorer=[{scorer}]"]
    PARTS[name] = [
        ("neurogloss", scorer, {"overrides": overrides}),
        ("delphi", name, {"do": [name]}),
        ("neurogloss", f"{scorer}, 20 texts a request", {"overrides": [*overrides, f"scorer.{scorer}.per_request=20"]}),
        ("neurogloss", f"{scorer}, by probabilities", {"overrides": [*overrides, f"scorer.{scorer}.answers=auto"]}),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=list(PARTS))
    parser.add_argument("--base-url", help="of a vLLM server that serves SmolLM2 as smollm2, with /v1")
    parser.add_argument("--units", type=int, default=2)
    parser.add_argument("--dtype", default="bfloat16", help="of the server that is started")
    options = parser.parse_args()
    units = exported(options.units)
    EXPLANATIONS.write_text(json.dumps({unit["unit"]: unit["explanation"] for unit in units}))
    with ExitStack() as stack:
        url = options.base_url
        if url is None:
            log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "server.log"
            more = ("--enforce-eager", "--max-model-len", "8192", "--max-logprobs", "100")
            python = str(ROOT / ".venv-vllm" / "bin" / "python")
            url = stack.enter_context(served(python, plain_folder(), MODEL, options.dtype, log, more)) + "/v1"
        print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {len(units)} units")
        for part in options.parts:
            _part(part, units, url)


def _part(part: str, units: list[dict[str, Any]], url: str) -> None:
    """Prints the table of one part; numbers are per unit."""
    print(f"\n| {part} | how | seconds | requests | prompt tokens | completion tokens | peak MB | score | answered |")
    print("|" + "---|" * 9)
    ours: dict[str, float] = {}
    theirs: dict[str, float] = {}
    for tool, how, told in PARTS[part]:
        child = Child(sys.executable if tool == "neurogloss" else python_of(tool), HERE / f"{tool}_child.py")
        with counted(url) as spent:
            done = child.did(_job(tool, told, units, url))
        child.close()
        each = {name: value / len(units) for name, value in spent.items()}
        cells = [f"{done['seconds'] / len(units):.1f}", *(f"{value:,.0f}" for value in each.values())]
        cells += [f"{done['peak_mb']:.0f}", *_scores(done["found"])]
        print(f"| {tool} | {how} | {' | '.join(cells)} |", flush=True)
        if tool == "neurogloss":
            ours[how] = each["prompt_tokens"]
        else:
            theirs[how] = each["prompt_tokens"]
    if part == "explain":  # each tool has its own way
        return
    for how, tokens in theirs.items():
        for mine, own in ours.items():
            kept = "" if own <= MOST_OF_PEERS * tokens else ", **not kept**"
            print(f"\n{mine}: {own / tokens:.2f} of the prompt tokens of {how} (goal: at most {MOST_OF_PEERS}{kept})")


def _job(tool: str, told: dict[str, Any], units: list[dict[str, Any]], url: str) -> dict[str, Any]:
    if tool == "neurogloss":
        server = ["llm=vllm_server", f"llm.model={MODEL}", f"llm.base_url={url}"]
        return {"units": [unit["unit"] for unit in units], "overrides": [*told["overrides"], *server]}
    more = {"tokenizer": plain_folder(), "concurrency": 32, "max_tokens": MAX_TOKENS} if tool == "delphi" else {}
    return told | {"base_url": url, "model": MODEL, "units": units} | more


def _scores(found: list[dict[str, Any]]) -> list[str]:
    """The mean score of the units that have one, and the share of what was asked that was answered."""
    scores = [score for each in found for score in each["scores"].values()]
    real = [float(each["score"]) for each in scores if each["score"] is not None]
    real = [value for value in real if math.isfinite(value)]
    asked = sum(each.get("asked", 0) for each in scores)
    share = f"{sum(each.get('answered', 0) for each in scores) / asked:.2f}" if asked else ""
    return [f"{sum(real) / len(real):.3f}, {len(real)} of {len(scores)}" if real else "", share]


if __name__ == "__main__":
    main()
