"""Config dataclasses as OmegaConf holds them, and back.

OmegaConf accepts enums by the names of their members (`LINEAR`), while configs and docs spell their
values (`linear`), and it makes frozen dataclasses read-only. So what it holds is a mutable copy of
the dataclass with strings for enums; the values become the real dataclass once they are final.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import field, fields, is_dataclass, make_dataclass
from enum import Enum
from functools import partial
from typing import Any

from neurogloss.config.schema import MISSING
from neurogloss.errors import ConfigError

_HELD: dict[tuple[type[Any], str | None], type[Any]] = {}


def held(config: type[Any], component: str | None = None) -> type[Any]:
    """The dataclass that OmegaConf holds in place of `config`; the same one whenever it is asked for.

    Args:
        config: A dataclass whose fields all have defaults.
        component: The registered name to add as the field `component`, which presets inherit.
    """
    if (config, component) not in _HELD:
        hints = typing.get_type_hints(config)
        default = config()
        made: list[Any] = [] if component is None else [("component", str, field(default=component))]
        for each in fields(config):
            value = partial(_held_value, getattr(default, each.name))
            made.append((each.name, _held_type(hints[each.name]), field(default_factory=value)))
        _HELD[config, component] = make_dataclass(config.__name__, made)
    return _HELD[config, component]


def _held_type(hint: Any) -> Any:
    if isinstance(hint, type) and is_dataclass(hint):
        return held(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return str
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (list, dict):
        return origin[tuple(map(_held_type, arguments))]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(map(_held_type, arguments))]  # noqa: UP007  (built at run time)
    return hint


def _held_value(value: Any) -> Any:
    if isinstance(value, Enum):
        return _spelled(value)
    if is_dataclass(value) and not isinstance(value, type):
        return held(type(value))(**{each.name: _held_value(getattr(value, each.name)) for each in fields(value)})
    if isinstance(value, list):
        return [_held_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _held_value(item) for key, item in value.items()}
    return value


def _spelled(member: Enum) -> str:
    return member.value if isinstance(member.value, str) else member.name.lower()


def given(config: type[Any], values: Mapping[str, Any], key: str) -> Any:
    """An instance of `config` with final values, checked by its own `check` if it has one.

    Args:
        config: The dataclass.
        values: Plain containers, interpolations resolved.
        key: The dotted key under which the values stand; empty for the root.

    Raises:
        ConfigError: A key is unknown, a value is missing, an enum has no such value, or `check` says so.
    """
    hints = typing.get_type_hints(config)
    names = [each.name for each in fields(config)]
    for name in values:
        if name not in names:
            raise unknown_key(dotted(key, name), names)
    instance = config(**{name: _given(hints[name], value, dotted(key, name)) for name, value in values.items()})
    if hasattr(instance, "check"):
        try:
            instance.check()
        except ConfigError as error:
            raise _located(error, key, names) from None
    return instance


def _given(hint: Any, value: Any, key: str) -> Any:
    if value == MISSING:
        raise ConfigError(f"{key} has no value.", remedy=f"Give it one: {key}=...")
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if (origin is list and not isinstance(value, list | tuple)) or (origin is dict and not isinstance(value, Mapping)):
        expected = "a list" if origin is list else "a mapping"
        raise ConfigError(f"{key} has a value of the wrong type: {value!r}.", known=f"Expected: {expected}.")
    if value is None or hint is Any:
        return value
    if isinstance(hint, type) and is_dataclass(hint):
        return given(hint, value, key)
    if isinstance(hint, type) and issubclass(hint, Enum):
        members = {_spelled(member): member for member in hint}
        if value not in members:
            raise ConfigError(
                f"{key} is {value!r}.", known=f"Allowed: {', '.join(members)}.", remedy=nearest(str(value), members)
            )
        return members[value]
    if origin is list:
        return [_given(arguments[0], item, f"{key}[{i}]") for i, item in enumerate(value)]
    if origin is dict:
        return {name: _given(arguments[1], item, dotted(key, name)) for name, item in value.items()}
    if origin in (typing.Union, types.UnionType):
        parts = [part for part in arguments if part is not type(None)]
        return _given(parts[0], value, key) if len(parts) == 1 else value
    return value


def dotted(*parts: str) -> str:
    """The parts that are not empty, with dots between them."""
    return ".".join(filter(None, parts))


def nearest(name: str, among: Iterable[str]) -> str:
    """`Did you mean ...?` with the most similar name, or nothing."""
    near = difflib.get_close_matches(name, list(among), n=1)
    return f"Did you mean {near[0]}?" if near else ""


def unknown_key(key: str, known: Iterable[str]) -> ConfigError:
    """The error for a key that does not exist, with its siblings."""
    parent, _, last = key.rpartition(".")
    names = [name for name in known if name != "component"]
    where = f"{parent} has the keys" if parent else "The keys are"
    near = difflib.get_close_matches(last, names, n=1)
    return ConfigError(
        f"There is no key {key}.",
        known=f"{where} {', '.join(names)}." if names else f"{parent} has no keys.",
        remedy=f"Did you mean {dotted(parent, near[0])}?" if near else "",
    )


def _located(error: ConfigError, key: str, names: list[str]) -> ConfigError:
    """The same error with its dotted key: messages of `check` begin with the field's name."""
    field_first = error.wrong.split()[0].split(".")[0].split("[")[0] in names
    wrong = f"{key}.{error.wrong}" if field_first and key else f"{key}: {error.wrong}" if key else error.wrong
    return ConfigError(wrong, known=error.known, remedy=error.remedy)
