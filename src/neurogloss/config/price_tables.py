"""Price tables: those that come with the program, and the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from neurogloss.config.groups import CONF
from neurogloss.errors import ConfigError
from neurogloss.pipeline.prices import Price, PriceRow, Prices

FOLDER = "price_tables"
_PRICES = ("input", "output", "cached_input", "cache_write")
_EXAMPLE = "{providers: [openai], date: 2026-03-01, models: [{names: [gpt-4o], input: 2.5, output: 10}]}"


def load_prices(own: Sequence[str] = ()) -> Prices:
    """The prices of the user's tables, and after them those that come with the program.

    Args:
        own: Paths of the user's tables.

    Raises:
        ConfigError: A table cannot be read.
    """
    rows = [row for path in own for row in _rows(Path(path).expanduser())]
    return Prices((*rows, *_of_the_program()))


@cache
def _of_the_program() -> tuple[PriceRow, ...]:
    folder = files(CONF).joinpath(FOLDER)
    tables = sorted((table for table in folder.iterdir() if table.name.endswith(".yaml")), key=lambda table: table.name)
    return tuple(row for table in tables for row in _rows(table))


def _rows(table: Traversable) -> list[PriceRow]:
    try:
        values = OmegaConf.to_container(OmegaConf.create(table.read_text(encoding="utf-8")))
        return _parsed(values)
    except (OSError, ValueError, TypeError, YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(
            f"prices: the table {table} cannot be read.", known=str(error), remedy=f"A table is like {_EXAMPLE}"
        ) from error


def _parsed(table: Any) -> list[PriceRow]:
    table = _mapping(table, "the table", ("providers", "date", "models"), ("servers", "source", "batch"))
    if not isinstance(table["models"], list):
        raise ValueError("models is no list")
    return [_row(model, table) for model in table["models"]]


def _row(model: Any, table: Mapping[str, Any]) -> PriceRow:
    model = _mapping(model, "an entry of models", ("names", "input", "output"), ("cached_input", "cache_write"))
    batch = _number("batch", table.get("batch", 1.0))
    price = Price(**{name: _number(name, model[name]) for name in _PRICES if name in model}, batch=batch)
    return PriceRow(_names("providers", table), _names("servers", table), _names("names", model), price)


def _mapping(value: Any, what: str, needed: Sequence[str], further: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no mapping: {value}")
    missing = [name for name in needed if name not in value]
    unknown = [str(name) for name in value if name not in (*needed, *further)]
    if missing or unknown:
        faults = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"knows no {', '.join(unknown)}"] * bool(unknown)
        raise ValueError(f"{what} {' and '.join(faults)}")
    return value


def _names(key: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    names = values.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{key} is no list of names: {names}")
    return tuple(names)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"{name} is no price: {value!r}")
    return float(value)
