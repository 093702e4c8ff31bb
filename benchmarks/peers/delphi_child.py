"""`eai-delphi` on records of neurogloss; runs in the environment `delphi`.

A job is {"base_url", "model", "tokenizer", "do": ["explain", "detection", "fuzzing", "simulation"], "concurrency",
"max_tokens", "units"}; see `work.py` for units. Its result has, for each unit, an explanation and the scores, as far as
they were asked for.
"""

from __future__ import annotations

from typing import Any

import without_vllm

without_vllm.pretend()

import numpy as np  # noqa: E402  after the modules that it would look for
import torch  # noqa: E402
from child import Job, Work, serve  # noqa: E402
from delphi.clients.openrouter import OpenRouter  # noqa: E402
from delphi.explainers import DefaultExplainer  # noqa: E402
from delphi.latents.latents import (  # noqa: E402
    ActivatingExample,
    Latent,
    LatentRecord,
    NonActivatingExample,
)
from delphi.pipeline import Pipe, Pipeline, process_wrapper  # noqa: E402
from delphi.scorers import DetectionScorer, FuzzingScorer, OpenAISimulator  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

PER_REQUEST = 5


def prepare(job: Job) -> Work:
    """The package's own pipeline: units side by side, and the scorers of a unit as well."""
    # From the file: the folder names a class that only later versions of transformers know.
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=job["tokenizer"] + "/tokenizer.json")
    records = [_record(unit, tokenizer, job["do"]) for unit in job["units"]]

    async def work() -> list[Any]:
        client = OpenRouter(
            job["model"], "none", base_url=job["base_url"] + "/chat/completions", max_tokens=job["max_tokens"]
        )
        explainer = DefaultExplainer(client, threshold=0.3, verbose=False)
        scorers: dict[str, Any] = {
            "detection": DetectionScorer(client, n_examples_shown=PER_REQUEST),
            "fuzzing": FuzzingScorer(client, n_examples_shown=PER_REQUEST),
            # Log-probabilities come from vLLM in process alone: through a server it asks for JSON.
            "simulation": OpenAISimulator(client, tokenizer=tokenizer, all_at_once=False),
        }
        chosen = [scorers[name] for name in scorers if name in job["do"]]
        pipes = []
        if "explain" in job["do"]:
            pipes.append(process_wrapper(explainer, postprocess=_explained))
        if chosen:
            pipes.append(Pipe(*chosen))
        done = await Pipeline(lambda: iter(records), *pipes).run(job["concurrency"])
        found = [_told(each, [name for name in scorers if name in job["do"]]) for each in done]
        await client.client.aclose()
        return found

    return work


def _explained(result: Any) -> LatentRecord:
    result.record.explanation = result.explanation
    return result.record


def _told(done: Any, names: list[str]) -> dict[str, Any]:
    record = done[0].record if names else done
    scores = {name: _score(name, each.score) for name, each in zip(names, done if names else [], strict=True)}
    return {"unit": record.latent.module_name, "explanation": record.explanation, "scores": scores}


def _score(name: str, score: Any) -> dict[str, Any]:
    if name == "simulation":
        overall = [each for each in score if each.distance == 0] or score
        return {"score": overall[0].ev_correlation_score}
    true = np.array([each.activating for each in score])
    answered = np.array([each.prediction is not None for each in score])
    said = np.array([bool(each.prediction) for each in score])
    shares = [float(np.mean(said[true & answered])), float(np.mean(~said[~true & answered]))] if answered.any() else []
    return {
        "score": float(np.mean(shares)) if shares else None,  # balanced accuracy of what was answered
        "asked": len(true),
        "answered": int(answered.sum()),
    }


def _record(unit: dict[str, Any], tokenizer: Any, do: list[str]) -> LatentRecord:
    maximum = max((max(each["values"]) for each in unit["marked"]), default=0.0)

    def fires(each: dict[str, Any], of: float = maximum) -> ActivatingExample:
        values = torch.tensor(each["values"])
        tokens = torch.tensor(each["token_ids"])
        levels = torch.clamp(torch.floor(10 * values / of), 0, 10).int()
        return ActivatingExample(tokens, values, levels, tokenizer.batch_decode(tokens))

    def quiet(each: dict[str, Any]) -> NonActivatingExample:
        tokens = torch.tensor(each["token_ids"])
        return NonActivatingExample(tokens, torch.zeros(len(tokens)), tokenizer.batch_decode(tokens))

    # Everyone simulates the same few sequences.
    firing, still = (unit["scored"], []) if "simulation" in do else (unit["firing"], unit["quiet"])
    return LatentRecord(
        Latent(unit["unit"], 0),
        train=[fires(each) for each in unit["marked"]],
        test=[fires(each) for each in firing],
        not_active=[quiet(each) for each in still],
        explanation=unit.get("explanation") or "",
    )


if __name__ == "__main__":
    serve(prepare)
