"""`automated-interpretability` on records of neurogloss; runs in the environment `openai`.

A job is {"base_url", "model", "do": ["explain", "simulate"], "units"}; see `work.py` for units. Its result has, for
each unit, an explanation, the simulated values and the score, as far as they were asked for.
"""

from __future__ import annotations

import asyncio
from typing import Any

import tiktoken
from child import Job, Work, serve
from neuron_explainer.activations.activation_records import calculate_max_activation
from neuron_explainer.activations.activations import ActivationRecord
from neuron_explainer.explanations.explainer import TokenActivationPairExplainer
from neuron_explainer.explanations.prompt_builder import PromptFormat
from neuron_explainer.explanations.scoring import simulate_and_score
from neuron_explainer.explanations.simulator import ExplanationNeuronSimulator

KEY = "none"


class Estimated:
    """Takes the place of the vocabulary that the package fetches to see whether a prompt is too long."""

    def encode(self, text: str, **_options: Any) -> range:
        """About as many tokens as there are."""
        return range(len(text) // 4)


tiktoken.get_encoding = lambda name: Estimated()


def prepare(job: Job) -> Work:
    """All units at once, each with the package's own limit of ten requests in flight."""
    return lambda: _gathered(job)


async def _gathered(job: Job) -> list[Any]:
    return await asyncio.gather(*(_unit(job, unit) for unit in job["units"]))


async def _unit(job: Job, unit: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": unit["unit"], "explanation": unit.get("explanation"), "scores": {}}
    if "explain" in job["do"]:
        explainer = TokenActivationPairExplainer(
            model_name=job["model"],
            prompt_format=PromptFormat.HARMONY_V4,
            base_api_url=job["base_url"],
            override_api_key=KEY,
        )
        records = _records(unit["explained"])
        explanations = await explainer.generate_explanations(
            all_activation_records=records, max_activation=calculate_max_activation(records), num_samples=1
        )
        found["explanation"] = explanations[0]
    if "simulate" in job["do"]:
        simulator = ExplanationNeuronSimulator(job["model"], found["explanation"])
        simulator.api_client.base_api_url = job["base_url"]
        simulator.api_client.override_api_key = KEY
        scored = await simulate_and_score(simulator, _records(unit["scored"]))
        found["scores"]["simulation"] = {"score": float(scored.ev_correlation_score)}
        found["simulated"] = [
            [float(value) for value in each.simulation.expected_activations]
            for each in scored.scored_sequence_simulations
        ]
    return found


def _records(records: list[dict[str, Any]]) -> list[ActivationRecord]:
    return [ActivationRecord(tokens=each["pieces"], activations=each["piece_values"]) for each in records]


if __name__ == "__main__":
    serve(prepare)
