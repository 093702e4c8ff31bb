from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

import pytest
from omegaconf import OmegaConf

from neurogloss.config.conversion import given, held
from neurogloss.config.schema import CollectionConfig
from neurogloss.errors import ConfigError


class Colour(Enum):
    RED = "red"
    DARK_BLUE = "dark_blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


@dataclass(frozen=True)
class Inner:
    colour: Colour = Colour.RED
    weights: dict[str, float] = field(default_factory=lambda: {"a": 1.0})


@dataclass(frozen=True)
class Outer:
    count: int = 3
    size: Size = Size.SMALL
    colours: list[Colour] = field(default_factory=lambda: [Colour.DARK_BLUE])
    maybe: Colour | None = None
    either: int | str = "auto"
    inner: Inner = field(default_factory=Inner)
    inners: dict[str, Inner] = field(default_factory=dict)
    anything: Any = None


def test_defaults_survive_the_way_there_and_back() -> None:
    plain = OmegaConf.to_container(OmegaConf.structured(held(Outer, "outer")))
    assert plain == {
        "component": "outer",
        "count": 3,
        "size": "small",
        "colours": ["dark_blue"],
        "maybe": None,
        "either": "auto",
        "inner": {"colour": "red", "weights": {"a": 1.0}},
        "inners": {},
        "anything": None,
    }
    del plain["component"]
    assert given(Outer, plain, "outer") == Outer()


def test_values_become_what_the_dataclass_says() -> None:
    values = {"size": "large", "maybe": "red", "either": 4, "inners": {"x": {"colour": "dark_blue"}}}
    made = given(Outer, values, "outer")
    assert made == Outer(size=Size.LARGE, maybe=Colour.RED, either=4, inners={"x": Inner(Colour.DARK_BLUE)})
    assert made.size is Size.LARGE


def test_the_held_class_is_one_and_mutable() -> None:
    assert held(Inner) is held(Inner)
    assert held(Inner) is not held(Inner, "inner")
    node = OmegaConf.structured(held(Inner))
    node.colour = "dark_blue"
    assert node.colour == "dark_blue"


@pytest.mark.parametrize(
    ("values", "wrong", "remedy"),
    [
        ({"cuont": 1}, "There is no key outer.cuont.", "Did you mean outer.count?"),
        ({"inner": {"color": "red"}}, "There is no key outer.inner.color.", "Did you mean outer.inner.colour?"),
        ({"colours": ["red", "rad"]}, "outer.colours[1] is 'rad'.", "Did you mean red?"),
        ({"inners": {"x": {"colour": "bleu"}}}, "outer.inners.x.colour is 'bleu'.", ""),
        ({"count": "???"}, "outer.count has no value.", "outer.count="),
    ],
)
def test_what_does_not_fit_is_told_with_its_key(values: dict[str, Any], wrong: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        given(Outer, values, "outer")
    assert caught.value.wrong == wrong
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("values", "wrong", "part"),
    [
        ({"top_k": 0}, "collection.top_k is 0.", "at least 1"),
        ({"sequence_length": 1}, "collection.sequence_length is 1.", "at least 2"),
        ({"n_random": -1}, "collection.n_random is -1.", "at least 0"),
        ({"batch_size": 0}, "collection.batch_size is 0.", "at least 1"),
        ({"max_documents": 0}, "collection.max_documents is 0.", "null or at least 1"),
        ({"ignore_first_tokens": 64}, "collection.ignore_first_tokens is 64.", "64 tokens"),
        ({"splits": {"test": 0.5}}, "collection.splits are", "together 1, not 1.2"),
        ({"splits": {"test": -0.3, "valid": 0.8}}, "collection.splits are", "at least 0"),
        ({"splits": {"explain": 0.0, "test": 0.7}}, "collection.splits.explain is 0.", "documents"),
        ({"quantile_bins": [[0.5, 0.1]]}, "collection.quantile_bins holds [0.5, 0.1].", "low < high"),
        ({"quantile_bins": [[0, 0.5, 1]]}, "collection.quantile_bins holds [0, 0.5, 1].", "low < high"),
        ({"quantile_bins": [3]}, "collection.quantile_bins holds 3.", "low < high"),
    ],
)
def test_a_collection_out_of_range_is_refused(values: dict[str, Any], wrong: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        given(CollectionConfig, values, "collection")
    assert caught.value.wrong.startswith(wrong)
    assert part in caught.value.known


@pytest.mark.parametrize("values", [{"colours": "red"}, {"colours": None}, {"inners": None}, {"inners": ["a"]}])
def test_what_is_no_list_or_no_mapping_is_told_where_one_belongs(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"x\.\w+ has a value of the wrong type"):
        given(Outer, values, "x")
