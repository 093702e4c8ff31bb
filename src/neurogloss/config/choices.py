"""`Choice`: one chosen component with its config."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from neurogloss.config.conversion import given
from neurogloss.config.schema import MISSING
from neurogloss.errors import ConfigError
from neurogloss.plugin.component import Component
from neurogloss.plugin.registry import Registry

FILES = ("prompt", "file")
"""Fields of any component that hold the path of a file, which counts by its contents."""


@dataclass(frozen=True)
class Choice:
    """One chosen component."""

    kind: str
    name: str
    """The dotted key under which the configuration holds it."""
    component: Component
    config: Any
    """An instance of the component's own dataclass, checked; its parts are as they were written."""
    parts: Mapping[str, Choice | tuple[Choice, ...]] = field(default_factory=dict)
    """What the component's `parts` hold, by field."""

    def plain(self) -> dict[str, Any]:
        """The component's name and its config in plain containers."""
        values = {name: _plain(value) for name, value in dataclasses.asdict(self.config).items()}
        parts = {
            name: [each.plain() for each in part] if isinstance(part, tuple) else part.plain()
            for name, part in self.parts.items()
        }
        return {"component": self.component.name, **values, **parts}

    def walk(self) -> Iterator[Choice]:
        """The choice itself and, below it, its parts and theirs."""
        yield self
        for part in self.parts.values():
            for each in part if isinstance(part, tuple) else (part,):
                yield from each.walk()

    def same_as(self, other: Choice) -> bool:
        """The same component, configured equally."""
        return self.component == other.component and self.plain() == other.plain()


def choice_of(kind: str, key: str, values: Any, registry: Registry) -> Choice:
    """The component that a node of the configuration describes.

    Args:
        kind: The component's kind.
        key: The dotted key under which the values stand.
        values: Plain containers; a name alone is the component with its defaults.
        registry: Where the component is found.

    Raises:
        ConfigError: Nothing is chosen, or a value is wrong.
        PluginError: The component cannot be used.
    """
    if isinstance(values, str) and values != MISSING:
        values = {"component": values}
    if not isinstance(values, Mapping) or values.get("component", MISSING) == MISSING:
        option = key.replace(".llm", "/llm")
        raise ConfigError(
            f"{key} is not chosen.",
            known=f"Installed: {', '.join(c.name for c in registry.components(kind)) or 'none'}.",
            remedy=f"Choose one: {option}=NAME",
        )
    component = registry.get(kind, values["component"])
    for name in FILES:
        path = values.get(name)
        if isinstance(path, str) and path != MISSING and not Path(path).expanduser().is_file():
            raise ConfigError(f"{key}.{name}: there is no file {path}.", remedy="Give the path of one, or null.")
    config = given(component.config, {name: value for name, value in values.items() if name != "component"}, key)
    parts = {
        name: _part_of(part_kind, f"{key}.{name}", getattr(config, name), registry)
        for name, part_kind in component.parts.items()
    }
    return Choice(kind, key, component, config, parts)


def _part_of(kind: str, key: str, values: Any, registry: Registry) -> Choice | tuple[Choice, ...]:
    if isinstance(values, list):
        return tuple(choice_of(kind, f"{key}[{i}]", each, registry) for i, each in enumerate(values))
    return choice_of(kind, key, values, registry)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
