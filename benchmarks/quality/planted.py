"""Whether true explanations of a transformer whose functions are known beat false ones.

The oracle answers from the rendered request alone. Usage: planted.py [SEQUENCE_LENGTH]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
from true_and_false import World, compare

from neurogloss.builtin.llms.configs import OracleConfig
from neurogloss.builtin.llms.oracle import OracleModel
from neurogloss.builtin.llms.truth import Knowledge
from neurogloss.builtin.subjects.unit_files import Claim
from neurogloss_transformers.configs import PlantedConfig, PlantedCorpusConfig
from neurogloss_transformers.planted.corpus import PlantedCorpus
from neurogloss_transformers.planted.description import Description, Formula
from neurogloss_transformers.planted.evaluator import evaluate, formula_values
from neurogloss_transformers.planted.subject import PlantedSubject


def planted_world() -> World:
    """The planted subject."""
    subject = PlantedSubject(PlantedConfig())
    return World(subject, PlantedCorpus(PlantedCorpusConfig()), lambda random: oracle(subject.description, random))


def oracle(description: Description, random: bool) -> OracleModel:
    """An oracle that knows what the description claims."""
    made = OracleModel(OracleConfig(random=random))
    made._knowledge = Knowledge(
        {text: Claim(text, rule_of(description, *claim), claim[1], text) for text, claim in description.claims.items()}
    )
    return made


def rule_of(description: Description, formula: Formula, scale: float) -> Callable[[Sequence[str]], np.ndarray]:
    """A formula of the description as a rule on words."""

    def rule(words: Sequence[str]) -> np.ndarray:
        bits = evaluate(description, ["<bos>", *(word.strip().lower() for word in words)]).bits
        return scale * formula_values(formula, bits)[1:]

    return rule


if __name__ == "__main__":
    compare(planted_world(), int(sys.argv[1]) if len(sys.argv) > 1 else 24)
