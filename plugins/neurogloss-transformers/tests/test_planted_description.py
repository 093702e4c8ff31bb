"""Descriptions: what is wrong in one is said with its place; the documented tables are those of the built-in one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neurogloss.errors import SubjectError
from neurogloss_transformers.planted.evaluator import evaluate
from neurogloss_transformers.planted.reading import read_description
from neurogloss_transformers.planted.tables import head_table, neuron_table

GOOD: dict[str, Any] = {
    "classes": {"big": ["paris"], "cold": ["oslo"]},
    "layers": [
        {
            "heads": [{"name": "last_cold", "attends": "last", "key": ["cold"], "moves": ["cold"]}],
            "neurons": [
                {"name": "sum", "any": ["big", "last_cold.cold"], "explanation": "x"},
                {"name": "line", "weights": {"big": 2}, "explanation": "y"},
            ],
        },
        {"neurons": [{"name": "again", "all": ["cold"], "explanation": "z", "false_explanations": ["w"]}]},
    ],
}
Change = Callable[[Any], object]
HEAD, NEURON = "layers[0].heads[0], field", "layers[0].neurons[0], field"


def read(tmp_path: Path, contents: Any) -> Any:
    file = tmp_path / "own.json"
    file.write_text(contents if isinstance(contents, str) else json.dumps(contents))
    return read_description(str(file))


def head(contents: Any) -> Any:
    return contents["layers"][0]["heads"][0]


def neuron(contents: Any, layer: int = 0, index: int = 0) -> Any:
    return contents["layers"][layer]["neurons"][index]


def test_a_good_description_is_read(tmp_path: Path) -> None:
    description = read(tmp_path, GOOD)
    assert description.edges == {("last_cold", "sum")}
    assert description.words == ("paris", "oslo")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("classes"), "classes: it is no JSON object"),
        (lambda d: d.update(position=9), "the description, field 'position': there is no such field"),
        (lambda d: d.update(positions=1), "field 'positions': it is not a whole number from 2 to 1024"),
        (lambda d: d.pop("layers"), "the description, field 'layers': it is missing"),
        (lambda d: d["classes"].update(big=["Paris"]), "classes, field 'big': 'Paris' is not one token"),
        (lambda d: d["classes"].update(big=["new york"]), "classes, field 'big': 'new york' is not one token"),
        (lambda d: d["classes"].update(big=["a "]), "classes, field 'big': 'a ' is not one token"),
        (lambda d: d["classes"].update(big="paris"), "classes, field 'big': it is no list"),
        (lambda d: d["classes"].update(first=["x"]), "classes, field 'first': the name 'first' is taken"),
        (lambda d: head(d).update(name="big"), f"{HEAD} 'name': the name 'big' is taken"),
        (lambda d: head(d).update(name="Last"), f"{HEAD} 'name': 'Last' is no name"),
        (lambda d: head(d).update(attends="next"), f"{HEAD} 'attends': it is 'next'"),
        (lambda d: head(d).pop("key"), f"{HEAD} 'key': it is missing"),
        (lambda d: head(d).update(attends="previous"), f"{HEAD} 'key': a head that attends to the previous"),
        (lambda d: head(d).update(query=["big", "cold"]), f"{HEAD} 'query': it has 2 conditions, and key has 1"),
        (lambda d: head(d).update(moves=["sum"]), f"{HEAD} 'moves': there is no feature 'sum' here"),
        (lambda d: head(d).update(moves=[]), f"{HEAD} 'moves': it is no list with something in it"),
        (lambda d: neuron(d).update(all=["big"]), f"{NEURON} 'any': there must be one of all, any and weights"),
        (lambda d: neuron(d).pop("any"), f"{NEURON} 'all': there must be one of all, any and weights"),
        (lambda d: neuron(d).update(bias=1), f"{NEURON} 'bias': only weights go with one"),
        (lambda d: neuron(d).update(scale=0), f"{NEURON} 'scale': it is not above 0"),
        (lambda d: neuron(d).update(scale="2"), f"{NEURON} 'scale': '2' is no number"),
        (lambda d: neuron(d).pop("explanation"), f"{NEURON} 'explanation': it is missing"),
        (lambda d: neuron(d).update(paraphrases="x"), f"{NEURON} 'paraphrases': it is no list"),
        (lambda d: neuron(d).update(false_explanations=[1]), "neurons[0].false_explanations[0]: it is no JSON object"),
        (lambda d: neuron(d).update(false_explanations=[{"text": "v", "al": ["big"]}]), "[0], field 'al': there is no"),
        (lambda d: neuron(d).update(false_explanations=[{"text": "x", "all": ["big"]}]), "'x' means something else"),
        (lambda d: neuron(d).update(any=["bigg"]), f"{NEURON} 'any': there is no feature 'bigg' here"),
        (lambda d: neuron(d).update(any=["big", "big"]), f"{NEURON} 'any': it names something twice"),
        (lambda d: neuron(d, index=1).update(weights={"big": None}), "neurons[1], field 'weights': None is no number"),
        (lambda d: neuron(d, 1).update(all=["sum"]), "layers[1].neurons[0], field 'all': the neuron 'sum' has more"),
        (lambda d: neuron(d, 1).update(all=["line"]), "layers[1].neurons[0], field 'all': the neuron 'line' has more"),
        (lambda d: d["layers"].append([]), "layers[2]: it is no JSON object"),
    ],
)
def test_a_wrong_field_is_named_with_its_entry(change: Change, message: str, tmp_path: Path) -> None:
    contents = copy.deepcopy(GOOD)
    change(contents)
    with pytest.raises(SubjectError) as caught:
        read(tmp_path, contents)
    assert "own.json' is wrong in " in caught.value.wrong
    assert message in caught.value.wrong


def test_a_near_name_is_suggested(tmp_path: Path) -> None:
    contents = copy.deepcopy(GOOD)
    neuron(contents).update(any=["last_cold.clod"])
    with pytest.raises(SubjectError) as caught:
        read(tmp_path, contents)
    assert caught.value.remedy == "Did you mean last_cold.cold?"


@pytest.mark.parametrize("text", ["{", '{"classes": {}, "classes": {}}'])
def test_what_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="cannot be read"):
        read(tmp_path, text)
    with pytest.raises(SubjectError, match="cannot be read"):
        read_description(str(tmp_path / "missing.json"))


@pytest.mark.parametrize("table", [head_table, neuron_table])
def test_the_documented_tables_are_current(table: Callable[..., str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "planted.md").read_text(encoding="utf-8")
    expected = table(read_description())
    assert expected in page, f"docs/planted.md lacks this table:\n{expected}"


def test_the_documented_example_does_what_the_page_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "planted.md").read_text(encoding="utf-8")
    own = read(tmp_path, page.partition("```json\n")[2].partition("```")[0])
    for description, value in ((own, 1), (read_description(), 2)):
        assert ("before", "duration") in description.edges
        values = evaluate(description, ["<bos>", "in", "20", "minutes"]).values["duration"]
        assert values.tolist() == [0, 0, 0, value]
