"""Records to JSON and back, with a schema version.

Every record class is written with its name, arrays with their dtype; floats survive exactly, and
NaN and infinities are written as strings so that the text stays standard JSON. Nothing is pickled.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

from neurogloss.errors import StoreError
from neurogloss.records import (
    activations,
    documents,
    explanations,
    failures,
    requests,
    rules,
    runs,
    scores,
    simulations,
    tokens,
    unit_records,
    units,
)

SCHEMA_VERSION = 1
_AS_THEY_ARE = frozenset({str, int, bool})
_TO_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")

_MODULES = (
    activations,
    documents,
    explanations,
    failures,
    requests,
    rules,
    runs,
    scores,
    simulations,
    tokens,
    unit_records,
    units,
)
_CLASSES: dict[str, type] = {
    name: cls
    for module in _MODULES
    for name, cls in vars(module).items()
    if isinstance(cls, type) and cls.__module__ == module.__name__
    if dataclasses.is_dataclass(cls) or issubclass(cls, Enum)
}
_FIELDS: dict[type, tuple[str, ...]] = {}
"""The fields of the record types that have been written."""


def register(cls: type) -> type:
    """Lets a plugin's own record type (an explanation, say) be stored; use as a decorator.

    Raises:
        ValueError: Another class of that name is registered.
    """
    if _CLASSES.setdefault(cls.__name__, cls) is not cls:
        raise ValueError(f"a record type named {cls.__name__} exists already")
    return cls


def encode(record: Any) -> str:
    """A record as one line of JSON with sorted keys: equal records give equal text."""
    body = {"schema": SCHEMA_VERSION, "record": _encode(record)}
    text = _TO_JSON(body)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # Replies and texts from the wild hold halves of characters, which UTF-8 refuses and JSON can escape.
        return _HALF_CHARACTER.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
    return text


def decode(text: str) -> Any:
    """The record that `encode` wrote.

    Raises:
        StoreError: Written by a newer version, by a plugin that is not installed, or damaged.
    """
    try:
        body = json.loads(text)
        version = body["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError("A stored record is not readable.", known=str(error)) from error
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"A stored record has schema {version}; this version reads up to {SCHEMA_VERSION}.",
            remedy="Install a newer neurogloss.",
        )
    return _decode(body["record"])


def _encode(value: Any) -> Any:
    # Most values are of these types, and a match tries the abstract classes first.
    cls = type(value)
    if value is None or cls in _AS_THEY_ARE or (cls is float and math.isfinite(value)):
        return value
    if cls in _FIELDS:
        return {"type": cls.__name__, "value": {name: _encode(getattr(value, name)) for name in _FIELDS[cls]}}
    match value:
        case Enum():
            return {"type": type(value).__name__, "value": value.value}
        case float() | np.floating():
            return float(value) if math.isfinite(value) else {"type": "float", "value": str(float(value))}
        case np.ndarray():
            plain = value.dtype.kind in "biu" or (value.dtype.kind == "f" and np.isfinite(value).all())
            items = value.tolist() if plain else _encode(value.tolist())
            return {"type": "array", "dtype": str(value.dtype), "value": items}
        case np.integer() | np.bool_():
            return value.item()
        case list() | tuple():
            return [_encode(item) for item in value]
        case Mapping():
            return {"type": "dict", "value": [[_encode(k), _encode(v)] for k, v in value.items()]}
        case int() | str():
            return value
    if dataclasses.is_dataclass(value) and cls.__name__ in _CLASSES:
        _FIELDS[cls] = tuple(field.name for field in dataclasses.fields(value))
        return _encode(value)
    raise TypeError(f"{cls.__name__} is not a record type; see neurogloss.records.codec.register")


def _decode(value: Any) -> Any:
    match value:
        case list():
            return tuple(_decode(item) for item in value)
        case {"type": "float", "value": text}:
            return float(text)
        case {"type": "array", "dtype": dtype, "value": items}:
            return np.array(_decode(items), dtype=dtype)
        case {"type": "dict", "value": items}:
            return {_decode(k): _decode(v) for k, v in items}
        case {"type": name, "value": body}:
            cls = _CLASSES.get(name)
            if cls is None:
                raise StoreError(
                    f"A stored record is of the unknown type {name!r}.",
                    remedy="Install the plugin that wrote it.",
                )
            return cls(body) if issubclass(cls, Enum) else cls(**{k: _decode(v) for k, v in body.items()})
    return value
