"""The truth about the synthetic subject's units, and the corpus that they fire on."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurogloss.builtin.corpora.configs import SyntheticCorpusConfig
from neurogloss.builtin.corpora.generated import SyntheticCorpus
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.rules import compile_rule
from neurogloss.builtin.subjects.synthetic import NEVER, SyntheticSubject
from neurogloss.errors import ConfigError
from neurogloss.interfaces.ground_truth import GroundTruth
from neurogloss.pipeline.sequences import token_sequences
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Split, TokenSequence
from neurogloss.records.units import UnitId

SUBJECT = SyntheticSubject(SyntheticConfig())
UNITS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "src/neurogloss/builtin/data/synthetic_units.json").read_text(encoding="utf-8")
)


@cache
def sequences() -> tuple[tuple[TokenSequence, list[str]], ...]:
    """Those of the default corpus under the default plan, with their words."""
    made = token_sequences(SUBJECT, SyntheticCorpus(SyntheticCorpusConfig()), CollectionPlan())
    return tuple((sequence, [token.strip() for token in sequence.tokens]) for sequence in made)


def values(rule: dict[str, Any]) -> np.ndarray:
    """A rule's value at every token of the test split."""
    compiled = compile_rule(rule)
    return np.concatenate([compiled(words) for sequence, words in sequences() if sequence.split is Split.TEST])


def test_units_are_many_and_families_too() -> None:
    families = Counter(unit["family"] for unit in UNITS)
    assert len(UNITS) >= 60
    assert max(families.values()) <= 5
    assert {"arithmetic", "language", "disjunction", "negative polarity", "dead", "noise", "distractor"} <= set(
        families
    )
    assert SUBJECT.family(UnitId("layers.5.mlp", 8)) == "language"
    for unit in UNITS:
        assert len(set(unit["paraphrases"])) >= 2
        assert len({false["text"] for false in unit["false_explanations"]}) >= 3


def test_every_unit_that_can_fire_fires_in_twenty_documents_of_each_split() -> None:
    silent = []
    for unit in UNITS:
        rule, documents = compile_rule(unit["rule"]), defaultdict[Split, set[str]](set)
        for sequence, words in sequences():
            if (rule(words) > 0).any():
                documents[sequence.split].add(sequence.document_id)
        if not documents:
            silent.append(unit["family"])
        else:
            assert min(len(documents[split]) for split in Split) >= 20, unit["explanation"]
    assert silent == ["dead", "dead"]


def test_false_explanations_stand_in_the_order_of_how_far_they_differ() -> None:
    far = 0
    for unit in UNITS:
        true = values(unit["rule"])
        shares = [float(np.mean(values(false["rule"]) != true)) for false in unit["false_explanations"]]
        assert shares[0] > 0
        assert shares == sorted(shares), unit["explanation"]
        far += shares[-1] >= 0.05
    assert far == len(UNITS), "each unit has one that differs at a token in twenty"


def test_each_text_stands_for_its_rule() -> None:
    sequence, words = next(pair for pair in sequences() if len(pair[0]) > 50)
    assert isinstance(SUBJECT, GroundTruth)
    places: Counter[str] = Counter()
    for unit in UNITS:
        id_ = UnitId(unit["site"], places[unit["site"]], "-" if unit.get("sides") == "-" else "+")
        places[unit["site"]] += 1
        assert SUBJECT.true_explanation(id_) == unit["explanation"]
        assert SUBJECT.paraphrases(id_) == tuple(unit["paraphrases"])
        assert SUBJECT.false_explanations(id_) == tuple(false["text"] for false in unit["false_explanations"])
        said = dict.fromkeys((unit["explanation"], *unit["paraphrases"]), unit["rule"])
        said |= {false["text"]: false["rule"] for false in unit["false_explanations"]}
        for text, rule in said.items():
            found = SUBJECT.true_values(f" {text}\n", sequence)
            assert found is not None
            np.testing.assert_array_equal(found, compile_rule(rule)(words))
    assert SUBJECT.true_values("words about heron ponds", sequence) is None


def test_a_unit_is_known_on_the_side_that_fires() -> None:
    conjunctions, noise = UnitId("layers.1.mlp", 5), UnitId("layers.1.mlp", 6)
    assert SUBJECT.true_explanation(conjunctions) == NEVER
    assert SUBJECT.paraphrases(conjunctions) == SUBJECT.false_explanations(conjunctions) == ()
    assert SUBJECT.true_explanation(UnitId("layers.1.mlp", 5, "-")) == "the words and, or, but"
    assert SUBJECT.true_explanation(noise) == SUBJECT.true_explanation(UnitId("layers.1.mlp", 6, "-"))


def test_a_corpus_says_what_its_seed_says() -> None:
    def corpus(**config: Any) -> SyntheticCorpus:
        return SyntheticCorpus(SyntheticCorpusConfig(**config))

    documents = list(corpus().documents())
    assert documents[0].id == "synthetic-0-00000"
    assert documents[0].text == (
        "The heavy kitchen (room 54) has a grey ladder. Turn from page 38 to page 39, then to 39 again. The sister of "
        "the uneven shepherd repaired the chair. Bring what you can: brown paper, sugar, sugar, a kettle. "
        "Ich sehe den Hund mit dem Kind im Garten."
    )
    assert len(documents) == len({document.text for document in documents}) == 1400
    assert list(corpus(n_documents=40).documents()) == documents[:40]
    assert corpus(n_documents=40).identity() != corpus(n_documents=40, seed=1).identity()
    with pytest.raises(ConfigError, match="n_documents is 0"):
        SyntheticCorpusConfig(n_documents=0).check()
