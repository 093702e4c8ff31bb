"""Prose written by a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from neurogloss.builtin.explainers.configs import WrittenConfig
from neurogloss.errors import ConfigError, SubjectError
from neurogloss.interfaces.explainer import Explainer
from neurogloss.records.explanations import Explanation, ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.unit_records import SplitView
from neurogloss.records.units import UnitId


class WrittenExplainer(Explainer):
    """Tells what was written of a unit, without a look at its records."""

    def __init__(self, config: WrittenConfig) -> None:
        self._text = config.text
        self._texts = read_texts(config.file) if config.file is not None else {}

    async def explain(self, view: SplitView) -> tuple[Explanation | Failure, ...]:
        """One explanation; see `Explainer.explain`."""
        if view.dead:
            return (Failure(Reason.DEAD, "never above 0 in the explain split"),)
        text = self._texts.get(view.unit) if self._text is None else self._text
        if text is None:
            return (Failure(Reason.NOT_WRITTEN, f"the file has no text for {view.unit}"),)
        return (ProseExplanation(Provenance("written"), " ".join(text.split())),)


def read_texts(path: str) -> Mapping[UnitId, str]:
    """What a file says of each unit.

    Args:
        path: A mapping from units to texts, in YAML or, where the name ends so, in JSON.

    Raises:
        ConfigError: The file cannot be read or holds something else; with the line or the key.
    """
    try:
        values = _parsed(Path(path).expanduser())
    except (OSError, ValueError) as error:
        raise ConfigError(f"file {path} cannot be read.", known=str(error)) from error
    if not isinstance(values, dict) or not values:
        raise ConfigError(
            f"file {path} does not map units to texts.", remedy="Write lines such as: layers.5.mlp/12: names of ships"
        )
    texts: dict[UnitId, str] = {}
    for name, text in values.items():
        try:
            unit = UnitId.parse(str(name))
        except SubjectError as error:
            raise ConfigError(f"file {path}: {error.wrong}", known=error.known, remedy=error.remedy) from error
        if not isinstance(text, str) or not text.strip():
            raise ConfigError(f"file {path}: the text of {name} is {text!r}.", remedy="Give words, or leave it out.")
        if unit in texts:
            raise ConfigError(f"file {path} has two texts for {unit}.")
        texts[unit] = text
    return texts


def _parsed(path: Path) -> Any:
    """Raises `ValueError` for text that is no YAML or JSON, and for a key that stands there twice."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text, object_pairs_hook=_once)
    import yaml  # only here: plugins are listed without it

    class Loader(yaml.SafeLoader):
        """Refuses a key that stands twice in a mapping, of which YAML would take the last."""

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[str, Any]:
        return _once([tuple(loader.construct_object(each, deep=True) for each in pair) for pair in node.value])

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _once(pairs: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if str(key) in found:
            raise ValueError(f"{key} stands there twice")
        found[str(key)] = value
    return found
