"""Files of units and of puzzles that users write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from neurogloss.builtin.corpora.configs import SyntheticCorpusConfig
from neurogloss.builtin.corpora.generated import SyntheticCorpus
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.errors import CorpusError, SubjectError
from neurogloss.pipeline.sequences import token_sequences
from neurogloss.records.documents import Document
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Batch
from neurogloss.records.units import UnitId

PUZZLES = {
    "returning": {
        "explanation": "coming back",
        "false_explanations": ["going away", "birds"],
        "sentences": [["The her", "on ", ["re", 2], ["turned", 8.5], "."], ["It sl", "ept", "."]],
    },
    "birds": {"explanation": "birds", "sentences": [[["The her", 1], "on ", "re", "turned", "."]]},
}

UNITS = """
- site: layers.0.mlp
  explanation: cats and dogs
  family: pets
  top: 2
  sides: "-"
  rule: {kind: graded, values: {cat: 1, dog: 2}}
  paraphrases: [pets]
  false_explanations:
    - {text: cats alone, rule: {kind: words, words: [cat]}}
"""


def written(path: Path, content: object) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    return str(path)


def test_puzzles_bring_their_tokens_their_values_and_their_texts(tmp_path: Path) -> None:
    path = written(tmp_path / "puzzles.json", PUZZLES)
    subject = SyntheticSubject(SyntheticConfig(units=path))
    corpus = SyntheticCorpus(SyntheticCorpusConfig(puzzles=path))
    assert [document.id for document in corpus.documents()] == ["returning:0", "returning:1"]
    first, second = token_sequences(subject, corpus, CollectionPlan())
    assert first.tokens == ("The her", "on ", "re", "turned", ".")
    found = subject.activations(Batch.of([first, second]), {"layers.0.mlp": np.array([0, 1])})["layers.0.mlp"]
    np.testing.assert_array_equal(found[0], [[0, 1], [0, 0], [2, 0], [8.5, 0], [0, 0]])
    np.testing.assert_array_equal(found[1], np.zeros((5, 2)))
    assert subject.true_explanation(UnitId("layers.0.mlp", 0)) == "coming back"
    assert subject.false_explanations(UnitId("layers.0.mlp", 0)) == ("going away", "birds")
    known, unknown = subject.true_values("birds", first), subject.true_values("going away", first)
    np.testing.assert_array_equal(known, [1, 0, 0, 0, 0])
    assert unknown is None, "nobody has said where a false explanation would fire"


def test_elsewhere_a_puzzle_is_silent(tmp_path: Path) -> None:
    subject = SyntheticSubject(SyntheticConfig(units=written(tmp_path / "p.json", PUZZLES)))
    (tokenized,) = subject.tokenize([Document("d", "The heron returned")])
    assert [tokenized.text[a:b] for a, b in tokenized.spans] == ["The", " heron", " returned"]


def test_own_units_in_yaml(tmp_path: Path) -> None:
    subject = SyntheticSubject(SyntheticConfig(units=written(tmp_path / "units.yaml", UNITS)))
    (tokenized,) = subject.tokenize([Document("d", "A dog")])
    assert len(tokenized.token_ids) == 2
    negative = UnitId("layers.0.mlp", 0, "-")
    assert subject.family(negative) == "pets"
    assert (subject.true_explanation(negative), subject.paraphrases(negative)) == ("cats and dogs", ("pets",))
    assert subject.false_explanations(negative) == ("cats alone",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: graded", "kind: grade", "line 7, field [0].rule.kind: unknown kind of rule 'grade'"),
        ("top: 2", "top: -2", "line 5, field [0].top: the strongest value is above 0, not -2"),
        ("[pets]", "[pets, 3]", "line 8, field [0].paraphrases[1]: a text belongs here, not 3"),
        (
            "{text: cats alone",
            "{texts: cats alone",
            "line 10, field [0].false_explanations[0].texts: there is no field",
        ),
        ("cats alone", "pets", "line 2, field [0]: the text 'pets' stands for another rule"),
        ("  explanation: cats and dogs\n", "", "line 2, field [0]: the field 'explanation' is missing"),
        ("[cat]", "[cat", "this is no YAML"),
        (UNITS, "", "line 1: a list belongs here"),
    ],
)
def test_a_wrong_field_of_a_unit_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = written(tmp_path / "units.yaml", UNITS.replace(old, new))
    with pytest.raises(SubjectError) as caught:
        SyntheticSubject(SyntheticConfig(units=path))
    assert message in caught.value.wrong
    assert "docs/synthetic.md" in caught.value.remedy


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"birds": {', '"birds": 3, "x": {', "field birds: a mapping with the fields"),
        ("8.5", '"8.5"', "line 18, field returning.sentences[0][3][1]: a number belongs here, not '8.5'"),
        ("8.5", "NaN", "a number belongs here, not nan"),
        ('"on ",', "7,", "field returning.sentences[0][1]: a token is a string, or a pair"),
        ('"false_explanations"', '"false"', "field returning.false: there is no field 'false'"),
        ('"on ",\n    "re"', '"o",\n    "n re"', "field birds.sentences[0]: an earlier sentence has the same text"),
        ('"sentences": [', '"sentences": [], "sentence": [', "there is no field 'sentence'"),
    ],
)
def test_a_wrong_field_of_a_puzzle_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = json.dumps(PUZZLES, indent=1)
    assert old in text
    path = written(tmp_path / "puzzles.json", text.replace(old, new))
    with pytest.raises(CorpusError) as caught:
        SyntheticCorpus(SyntheticCorpusConfig(puzzles=path)).identity()
    assert message in caught.value.wrong
    with pytest.raises(SubjectError):
        SyntheticSubject(SyntheticConfig(units=path))
    with pytest.raises(CorpusError, match="cannot be read"):
        SyntheticCorpus(SyntheticCorpusConfig(puzzles=str(tmp_path / "none.json"))).identity()
