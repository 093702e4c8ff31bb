"""What a component must be like to be registered, checked without importing what it stands for."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from neurogloss.plugin.component import KINDS, Component

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_PLAIN = (int, float, str, bool, bytes, Path)


def faults(component: Component) -> Iterator[str]:
    """Yields, for each thing that is wrong with a component, a sentence without its subject."""
    if component.kind not in KINDS:
        yield f"has the unknown kind {component.kind!r}; the kinds are {', '.join(KINDS)}"
    if not isinstance(component.name, str) or not _NAME.fullmatch(component.name):
        yield "has an invalid name; a name is lower case letters, digits and underscores, a letter first"
    if not isinstance(component.factory, str) or not _FACTORY.fullmatch(component.factory):
        yield f'has the factory {component.factory!r}; a factory is a string "module:Class"'
    for field in ("needs", "requires", "provides", "explanations"):
        value = getattr(component, field)
        if not isinstance(value, tuple):
            yield f"has {field}={value!r}; it must be a tuple of strings, such as ({value!r},)"
    if isinstance(component.needs, tuple):
        for kind in component.needs:
            if kind not in KINDS:
                yield f"needs the unknown kind {kind!r}; the kinds are {', '.join(KINDS)}"
    for part, kind in component.parts.items():
        if kind not in KINDS:
            yield f"has the part {part!r} of the unknown kind {kind!r}; the kinds are {', '.join(KINDS)}"
        elif part not in getattr(component.config, "__dataclass_fields__", ()):
            yield f"has the part {part!r}, and its config has no such field"
    yield from (f"has a config that cannot be used: {fault}" for fault in config_faults(component.config))


def config_faults(config: Any) -> Iterator[str]:
    """Yields what keeps a config class from being held by OmegaConf."""
    if not isinstance(config, type) or not dataclasses.is_dataclass(config):
        yield f"{getattr(config, '__name__', config)!r} is not a dataclass"
        return
    try:
        hints = typing.get_type_hints(config)
    except Exception as error:
        yield f"the types of {config.__name__} cannot be resolved: {error}"
        return
    for field in dataclasses.fields(config):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            yield f'field {field.name!r} has no default; "???" stands for a value that the user must give'
        if not _holdable(hints[field.name]):
            yield (
                f"field {field.name!r} has the type {field.type}; allowed are int, float, str, bool, Enum, "
                "dataclass, list[...], dict[str, ...] and any of these | None"
            )


def _holdable(hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        parts = [part for part in arguments if part is not type(None)]
        return all(part in _PLAIN for part in parts) or (len(parts) == 1 and _holdable(parts[0]))
    if origin is list:
        return _holdable(arguments[0])
    if origin is dict:
        return arguments[0] in (str, int, bool, float) and _holdable(arguments[1])
    if hint is Any or hint in (*_PLAIN, list, dict):
        return True
    return isinstance(hint, type) and (issubclass(hint, Enum) or not any(True for _ in config_faults(hint)))
