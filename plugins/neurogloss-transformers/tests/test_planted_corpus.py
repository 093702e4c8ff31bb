"""The corpus made from a description gives every neuron that can fire enough to fire on."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from neurogloss.errors import CorpusError
from neurogloss.pipeline.sequences import token_sequences
from neurogloss.pipeline.splits import split_of
from neurogloss.records.documents import Document
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Split
from neurogloss.testing import CorpusContract
from neurogloss_transformers.configs import PlantedConfig, PlantedCorpusConfig
from neurogloss_transformers.planted.corpus import PlantedCorpus
from neurogloss_transformers.planted.description import Description
from neurogloss_transformers.planted.evaluator import evaluate
from neurogloss_transformers.planted.phrases import phrase_for
from neurogloss_transformers.planted.reading import read_description
from neurogloss_transformers.planted.subject import PlantedSubject

ENOUGH = 20


class TestPlantedCorpus(CorpusContract):
    @pytest.fixture
    def corpus(self) -> PlantedCorpus:
        return PlantedCorpus(PlantedCorpusConfig(n_documents=40))


def fires_in(description: Description, documents: Iterable[Document]) -> dict[str, Counter[Split]]:
    """In how many documents of each split each neuron fires, where tokens stand apart."""
    fires: dict[str, Counter[Split]] = {neuron.name: Counter() for neuron in description.neurons}
    for document in documents:
        for name, values in evaluate(description, ["<bos>", *document.text.split()]).values.items():
            fires[name][split_of(document.id, CollectionPlan())] += bool(values[1:].any())
    return fires


def test_every_living_neuron_fires_in_enough_documents_and_explain_has_the_words_of_test() -> None:
    subject = PlantedSubject(PlantedConfig(device="cpu"))
    corpus = PlantedCorpus(PlantedCorpusConfig())
    documents: dict[tuple[str, Split], set[str]] = defaultdict(set)
    words: dict[Split, set[tuple[str, str]]] = defaultdict(set)
    for sequence in token_sequences(subject, corpus, CollectionPlan()):
        tokens = [token.strip().lower() for token in sequence.tokens]
        for name, values in evaluate(subject.description, tokens).values.items():
            fired = {token for token, value in zip(tokens[1:], values[1:], strict=True) if value > 0}
            words[sequence.split] |= {(name, token) for token in fired}
            documents[name, sequence.split] |= {sequence.document_id} if fired else set()
    for neuron in subject.description.neurons:
        counts = [len(documents[neuron.name, split]) for split in Split]
        assert counts == [0] * 4 if neuron.name == "dead_one" else min(counts) >= ENOUGH, neuron.name
    known = sum(each in words[Split.EXPLAIN] for each in words[Split.TEST])
    assert known > 0.9 * len(words[Split.TEST])


@pytest.mark.parametrize("seed", [0, 5, 20])
def test_what_fires_on_random_words_fires_in_the_corpus(
    seed: int, tmp_path: Path, random_description: Callable[[int, int], dict[str, Any]]
) -> None:
    file = tmp_path / "random.json"
    file.write_text(json.dumps(random_description(seed, 25)))
    description = read_description(str(file))
    choose = random.Random(seed)
    living = set()
    for _ in range(300):
        words = ["<bos>", *(choose.choice([*description.words, "zzz"]) for _ in range(24))]
        living |= {name for name, values in evaluate(description, words).values.items() if values[1:].any()}
    documents = list(PlantedCorpus(PlantedCorpusConfig(str(file))).documents())
    assert max(len(document.text.split()) for document in documents) < 25
    fires = fires_in(description, documents)
    assert living
    assert all(fires[name][split] >= ENOUGH for name in living for split in Split)


def test_documents_hang_on_the_seed_and_not_on_their_number() -> None:
    few, more, other = (
        [document.text for document in PlantedCorpus(PlantedCorpusConfig(n_documents=n, seed=seed)).documents()]
        for n, seed in ((20, 0), (30, 0), (20, 1))
    )
    assert few == more[:20]
    assert not set(few) & set(other)


def test_a_neuron_of_the_first_word_and_one_of_nothing(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    neurons = [
        {"name": "opening", "all": ["b.first", "cold"], "explanation": "x"},
        {"name": "never", "all": ["cold", "hot"], "explanation": "y"},
        {"name": "line", "weights": {"cold": -1, "hot": 2}, "bias": -1, "explanation": "z"},
    ]
    head = {"name": "b", "attends": "previous", "moves": ["first"]}
    file.write_text(json.dumps({
        "positions": 6,
        "classes": {"cold": ["ice", "snow"], "hot": ["sun"]},
        "layers": [{"heads": [head], "neurons": neurons}],
    }))  # fmt: skip
    description = read_description(str(file))
    formulas = [neuron.formula for neuron in description.neurons]
    opening, never, line = (phrase_for(description, formula, random.Random(1)) for formula in formulas)
    assert opening is not None
    assert (opening.tokens, opening.opens) == (({"cold": True},), True)
    # That no word is both is seen where words are chosen.
    assert never is not None
    assert line is not None
    assert line.tokens == ({"cold": False, "hot": True},)
    fires = fires_in(description, PlantedCorpus(PlantedCorpusConfig(str(file))).documents())
    assert min(fires["opening"][split] for split in Split) >= ENOUGH
    assert fires["never"].total() == 0


def test_a_wrong_description_is_the_corpus_s_fault(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        PlantedCorpus(PlantedCorpusConfig(str(tmp_path / "none.json"))).identity()
