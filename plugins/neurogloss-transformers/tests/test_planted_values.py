"""The planted transformer's values, attention and residual stream equal the description, evaluated without it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neurogloss.builtin.corpora.bundled import BundledCorpus
from neurogloss.builtin.corpora.configs import BundledConfig
from neurogloss.errors import SubjectError
from neurogloss.pipeline.sequences import token_sequences
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Batch, Split, TokenSequence
from neurogloss.records.units import UnitId
from neurogloss.testing import SubjectContract
from neurogloss_transformers.configs import PlantedConfig, TransformersSubjectConfig
from neurogloss_transformers.planted.compiling import compile_model, save_model
from neurogloss_transformers.planted.description import Description
from neurogloss_transformers.planted.evaluator import evaluate, formula_values
from neurogloss_transformers.planted.reading import read_description
from neurogloss_transformers.planted.subject import PlantedSubject
from neurogloss_transformers.subject import TransformersSubject

Make = Callable[..., list[TokenSequence]]
TOLERANCE = 1e-4
DEAD = {"dead_one"}


@pytest.fixture(scope="module")
def subject() -> PlantedSubject:
    return PlantedSubject(PlantedConfig(device="cpu"))


@pytest.fixture(scope="module")
def corpus(subject: PlantedSubject) -> list[TokenSequence]:
    return list(token_sequences(subject, BundledCorpus(BundledConfig()), CollectionPlan()))


def everything(subject: TransformersSubject) -> dict[str, np.ndarray]:
    return {site.name: np.arange(site.n_units) for site in subject.sites()}


def words_of(sequence: TokenSequence) -> list[str]:
    return [token.strip().lower() for token in sequence.tokens]


def compare(subject: PlantedSubject, sequences: list[TokenSequence]) -> Counter[str]:
    """Checks every value of every neuron; returns in how many sequences each fires."""
    fires: Counter[str] = Counter()
    for start in range(0, len(sequences), 32):
        batch = Batch.of(sequences[start : start + 32])
        found = subject.activations(batch, everything(subject))
        for row, sequence in enumerate(batch.sequences):
            truth = evaluate(subject.description, words_of(sequence)).values
            for site in subject.sites():
                neurons = [each for each in subject.description.neurons if each.layer == site.layer]
                own = found[site.name][row, : len(sequence), : len(neurons)]
                expected = np.stack([truth[neuron.name] for neuron in neurons], axis=-1)
                np.testing.assert_allclose(own, expected, rtol=0, atol=TOLERANCE)
                np.testing.assert_array_equal(own == 0, expected == 0)
                fired = (expected[~sequence.special] > 0).any(axis=0)
                fires.update({neuron.name: int(one) for neuron, one in zip(neurons, fired, strict=True)})
    return fires


class TestPlantedSubject(SubjectContract):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls) -> PlantedSubject:
        return PlantedSubject(PlantedConfig(device="cpu"))


@pytest.mark.parametrize(("attention", "count"), [("sdpa", 200), ("eager", 60)])
def test_every_value_of_random_sequences_is_the_truth(attention: str, count: int, planted_sequences: Make) -> None:
    subject = PlantedSubject(PlantedConfig(device="cpu", attention=attention))
    fires = compare(subject, planted_sequences(subject.description, count, longest=128))
    assert fires.keys() == {neuron.name for neuron in subject.description.neurons}
    assert {name for name, n_fired in fires.items() if n_fired < 5} == DEAD


def test_a_sequence_without_bos_is_the_truth_too(subject: PlantedSubject, planted_sequences: Make) -> None:
    sequences = planted_sequences(subject.description, 20, longest=40)
    compare(subject, [
        TokenSequence(s.id, s.document_id, s.split, s.text, s.token_ids[1:], s.spans[1:], s.special[1:])
        for s in sequences
    ])  # fmt: skip


def test_on_the_bundled_corpus_every_living_neuron_fires_in_every_split(
    subject: PlantedSubject, corpus: list[TokenSequence]
) -> None:
    least = {Split.EXPLAIN: 10, Split.CALIBRATION: 2, Split.VALID: 7, Split.TEST: 10}
    for split in Split:
        fires = compare(subject, [sequence for sequence in corpus if sequence.split == split])
        assert {name for name, count in fires.items() if count < least[split]} == DEAD


@pytest.mark.parametrize("length", [1, 2, 128])
def test_heads_attend_where_the_description_says(length: int, planted_sequences: Make) -> None:
    description = read_description()
    model: Any = compile_model(description, "eager")
    for sequence in planted_sequences(description, 5, longest=length, shortest=length):
        with torch.no_grad():
            patterns = model(torch.from_numpy(sequence.token_ids)[None], output_attentions=True).attentions
        truth = evaluate(description, words_of(sequence)).attended
        for head in description.heads:
            pattern = patterns[head.layer][0, head.index].numpy()
            np.testing.assert_array_equal(pattern.argmax(-1), truth[head.name], err_msg=head.name)
            assert pattern.max(-1).min() == 1, "saturated"


def test_layer_norms_change_nothing(planted_sequences: Make) -> None:
    description = read_description()
    model: Any = compile_model(description)
    seen: list[float] = []

    def keep(_: Any, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        seen.append(float((output - inputs[0]).abs().max()))
        assert set(inputs[0].round(decimals=4).unique().tolist()) <= {-1.0, 0.0, 1.0}

    for block in model.transformer.h:
        block.ln_1.register_forward_hook(keep)
        block.ln_2.register_forward_hook(keep)
    model.transformer.ln_f.register_forward_hook(keep)
    with torch.no_grad():
        model(torch.from_numpy(planted_sequences(description, 1, longest=100, shortest=100)[0].token_ids)[None])
    assert len(seen) == 2 * description.n_layers + 1
    assert max(seen) < 1e-5


def test_compiling_leaves_torchs_seed_alone() -> None:
    before = torch.get_rng_state()
    compile_model(read_description())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_saved_model_is_an_ordinary_one(subject: PlantedSubject, tmp_path: Path, planted_sequences: Make) -> None:
    save_model(subject.description, tmp_path)
    loaded = TransformersSubject(TransformersSubjectConfig(model=str(tmp_path), device="cpu"))
    assert loaded.bos_token_id == subject.bos_token_id == 0
    assert loaded.sites() == subject.sites()
    (document, *_) = BundledCorpus(BundledConfig()).documents()
    (own,), (other,) = subject.tokenize([document]), loaded.tokenize([document])
    np.testing.assert_array_equal(own.token_ids, other.token_ids)
    batch = Batch.of(planted_sequences(subject.description, 4, longest=60))
    first, second = (each.activations(batch, everything(each)) for each in (subject, loaded))
    for site, values in first.items():
        np.testing.assert_array_equal(values[batch.attended], second[site][batch.attended])


def test_a_sequence_beyond_the_positions_is_refused(subject: PlantedSubject, planted_sequences: Make) -> None:
    with pytest.raises(SubjectError, match="has 129 tokens, and the model reads at most 128"):
        subject.activations(
            Batch.of(planted_sequences(subject.description, 1, 129, 129)), {"layers.0.mlp": np.array([0])}
        )


def test_each_unit_tells_what_it_does(subject: PlantedSubject) -> None:
    for neuron in subject.description.neurons:
        unit = UnitId(f"layers.{neuron.layer}.mlp", neuron.index)
        true = subject.true_explanation(unit), *subject.paraphrases(unit)
        assert true == (neuron.explanation, *neuron.paraphrases)
        assert len(set(true)) == 3
        assert len(subject.false_explanations(unit)) == 3
        assert not set(true) & set(subject.false_explanations(unit))
        negative = UnitId(unit.site, unit.index, "-")
        assert subject.true_explanation(negative) == "nothing: it never fires"
        assert subject.paraphrases(negative) == subject.false_explanations(negative) == ()
    for name in ("layers.0.mlp/10", "layers.3.mlp/0"):
        with pytest.raises(SubjectError, match=f"no unit {name}"):
            subject.true_explanation(UnitId.parse(name))


def test_true_texts_mean_what_the_neuron_does(subject: PlantedSubject, planted_sequences: Make) -> None:
    (sequence,) = planted_sequences(subject.description, 1, longest=100, shortest=100)
    truth = evaluate(subject.description, words_of(sequence)).values
    for neuron in subject.description.neurons:
        for text in (neuron.explanation, *neuron.paraphrases):
            values = subject.true_values(text, sequence)
            assert values is not None
            np.testing.assert_array_equal(values, truth[neuron.name] * ~sequence.special)
    never = subject.true_values("nothing: it never fires", sequence)
    assert never is not None
    assert not never.any()
    assert subject.true_values("words for cheese", sequence) is None


def test_false_texts_are_false_and_graded(subject: PlantedSubject, corpus: list[TokenSequence]) -> None:
    """On the bundled corpus they correlate with the neuron's true values, the first the most."""
    description = subject.description
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for sequence in corpus:
        bits = evaluate(description, words_of(sequence)).bits
        for text, (formula, _) in description.claims.items():
            found[text].append(formula_values(formula, bits)[~sequence.special])
    values = {text: np.concatenate(parts) for text, parts in found.items()}
    for neuron in description.neurons:
        true, false = values[neuron.explanation], [values[claim.text] for claim in neuron.false_explanations]
        assert not any(np.array_equal(true, each) for each in false), neuron.name
        if true.any():
            likeness = [float(np.corrcoef(true, each)[0, 1]) for each in false]
            assert likeness == sorted(likeness, reverse=True), neuron.name
            assert likeness[0] < 0.98, neuron.name


def test_another_description_is_another_identity(subject: PlantedSubject, own_file: Path) -> None:
    other = PlantedSubject(PlantedConfig(str(own_file), device="cpu"))
    assert other.identity() != subject.identity()
    assert str(own_file) not in str(other.identity())


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    file = tmp_path / "own.json"
    file.write_text("""{
        "positions": 9,
        "classes": {"big": ["paris", "rome"], "cold": ["oslo", "rome"]},
        "layers": [
            {"heads": [{"name": "same", "attends": "last", "query": ["big", "cold"], "key": ["big", "not cold"],
                        "moves": ["first"]},
                       {"name": "recent", "attends": "last", "query": ["big"], "key": ["cold"], "moves": ["cold"]}],
             "neurons": [{"name": "small", "all": ["not big"], "scale": 3, "explanation": "x"}]},
            {"neurons": [{"name": "sum", "any": ["small", "recent.cold", "cold"], "explanation": "y"},
                         {"name": "line", "weights": {"cold": 2, "small": -1.5, "same.first": 1}, "bias": 0.25,
                          "explanation": "z"}]}
        ]}""")
    return file


def test_an_own_description_by_hand(own_file: Path, planted_sequences: Make) -> None:
    subject = PlantedSubject(PlantedConfig(str(own_file), device="cpu"))
    description: Description = subject.description
    truth = evaluate(description, ["<bos>", "rome", "paris", "oslo", "rome", "x"])
    # From the second rome both pairs hold at paris, and one at later tokens; elsewhere none is better than BOS.
    assert truth.attended["same"].tolist() == [0, 0, 2, 0, 2, 0]
    assert truth.attended["recent"].tolist() == [0, 1, 1, 0, 4, 0]
    assert truth.values["small"].tolist() == [3, 0, 0, 3, 0, 3]
    assert truth.values["sum"].tolist() == [1, 2, 1, 2, 2, 1]
    assert truth.values["line"].tolist() == [0, 3.25, 0.25, 1.75, 2.25, 0]
    assert [site.n_units for site in subject.sites()] == [2, 2]
    assert subject.true_explanation(UnitId("layers.0.mlp", 1)) == "nothing: it never fires"
    compare(subject, planted_sequences(description, 30, longest=9))
