"""What a component and its config must be like."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest

from neurogloss.plugin.checks import config_faults, faults
from neurogloss.plugin.component import Component


class Colour(Enum):
    RED = "red"


@dataclass
class Nested:
    depth: int = 1


@dataclass
class Everything:
    whole: int = 1
    real: float = 0.5
    text: str = "???"
    flag: bool = False
    colour: Colour = Colour.RED
    maybe: str | None = None
    maybe_colour: Colour | None = None
    number: int | float = 1
    texts: list[str] = field(default_factory=list)
    tables: dict[str, list[int]] = field(default_factory=dict)
    nested: Nested = field(default_factory=Nested)
    maybe_list: list[str] | None = None
    anything: Any = None
    path: Path | None = None


GOOD = Component("explainer", "good_1", Everything, "some.module:Class")


def _with(annotation: Any, default: Any = None) -> type:
    return dataclasses.make_dataclass("Made", [("value", annotation, field(default=default))])


def test_a_good_component_has_no_faults() -> None:
    assert list(faults(GOOD)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "explainers"}, "has the unknown kind 'explainers'"),
        ({"name": "Good"}, "has an invalid name"),
        ({"name": "1good"}, "has an invalid name"),
        ({"name": "go-od"}, "has an invalid name"),
        ({"name": ""}, "has an invalid name"),
        ({"factory": "some.module.Class"}, "has the factory 'some.module.Class'"),
        ({"factory": Everything}, "has the factory"),
        ({"needs": ("llms",)}, "needs the unknown kind 'llms'"),
        ({"needs": "llm"}, "has needs='llm'; it must be a tuple"),
        ({"parts": {"whole": "explainers"}}, "has the part 'whole' of the unknown kind 'explainers'"),
        ({"parts": {"of": "explainer"}}, "has the part 'of', and its config has no such field"),
        ({"requires": "generate"}, "has requires='generate'; it must be a tuple"),
        ({"provides": ["generate"]}, "has provides=['generate']; it must be a tuple"),
        ({"config": dict}, "'dict' is not a dataclass"),
        ({"config": Everything()}, "is not a dataclass"),
    ],
)
def test_each_fault_is_told(change: dict[str, Any], told: str) -> None:
    found = list(faults(dataclasses.replace(GOOD, **change)))
    assert len(found) == 1
    assert told in found[0]


@pytest.mark.parametrize(
    "annotation",
    [
        Literal["a", "b"],
        tuple[int, ...],
        set[str],
        Callable[[], int],
        int | list[int],
        list[tuple[int, int]],
        dict[str, set[int]],
        dict[tuple[int, int], str],
        object,
        Nested | Colour,
    ],
)
def test_types_that_omegaconf_cannot_hold_are_refused(annotation: Any) -> None:
    (found,) = config_faults(_with(annotation))
    assert found.startswith("field 'value' has the type")


def test_a_field_without_default_is_refused() -> None:
    (found,) = config_faults(dataclasses.make_dataclass("Made", [("value", int)]))
    assert found.startswith("field 'value' has no default")


def test_types_that_cannot_be_resolved_are_refused() -> None:
    (found,) = config_faults(_with("NoSuchType"))
    assert "cannot be resolved" in found


def test_what_passes_is_held_by_omegaconf() -> None:
    omegaconf = pytest.importorskip("omegaconf")
    assert omegaconf.OmegaConf.structured(Everything).whole == 1
