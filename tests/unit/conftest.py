"""A registry of the built-in components and one made-up plugin, whatever else is installed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from neurogloss.errors import ConfigError
from neurogloss.plugin.component import Component
from neurogloss.plugin.loading import Plugin, load_plugin
from neurogloss.plugin.registry import Registry


class Precision(Enum):
    HALF = "half"
    FULL = "full"


@dataclass
class PlacesConfig:
    device: str = "cpu"
    layers: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class ModelConfig:
    model: str = "small"
    precision: Precision = Precision.HALF
    limit: int | None = None
    places: PlacesConfig = field(default_factory=PlacesConfig)
    headers: dict[str, str] = field(default_factory=dict)
    api_key_env: str = "SOME_KEY"
    access_token: str = ""

    def check(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit is {self.limit}.", known="limit is null or at least 1.")


@dataclass
class PathConfig:
    path: str = "???"


@dataclass
class WrapperConfig:
    of: Any = "silent"
    by: Any = field(default_factory=lambda: ["judge"])


def _component(kind: str, name: str, config: type = ModelConfig, **more: object) -> Component:
    return Component(kind=kind, name=name, config=config, factory="nowhere:Nothing", **more)  # type: ignore[arg-type]


@pytest.fixture
def made_up() -> Plugin:
    """Fills the places that the default configuration leaves to plugins."""
    able = ("generate", "choice_logprobs")
    return Plugin(
        "neurogloss-madeup",
        "1.0",
        "madeup",
        [
            _component("subject", "smollm2"),
            _component("subject", "elsewhere", PathConfig),
            _component("llm", "local", provides=able),
            _component("llm", "chat", provides=("generate",)),
            _component("explainer", "silent"),
            _component(
                "explainer",
                "wrapper",
                WrapperConfig,
                parts={"of": "explainer", "by": "scorer"},
                selects_on_valid=True,
            ),
            _component("scorer", "judge", needs=("llm",), requires=("generate",)),
        ],
    )


@pytest.fixture
def some_registry(made_up: Plugin) -> Registry:
    """The built-in components and the made-up plugin."""
    builtin = EntryPoint("builtin", "neurogloss.builtin.plugin", "neurogloss")
    return Registry([load_plugin(builtin), made_up])
