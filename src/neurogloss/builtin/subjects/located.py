"""Files of a user's own, in YAML or JSON, and at which line of them a field stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from neurogloss.errors import UsageError


class FieldError(ValueError):
    """What is wrong with one field.

    Args:
        where: The keys and indices that lead to it.
        wrong: What is wrong with it.
    """

    def __init__(self, where: tuple[str | int, ...], wrong: str) -> None:
        super().__init__(wrong)
        self.where = where
        self.wrong = wrong


class LocatedFile:
    """A file's contents as plain values.

    Args:
        file: The path; what ends in `.json` is JSON, anything else is YAML.
        error: What is raised for the user.
        remedy: What a right file looks like, for every message.

    Raises:
        UsageError: The file cannot be read, or is neither; with the line.
    """

    def __init__(self, file: Path | Traversable, error: type[UsageError], remedy: str) -> None:
        self._file = file
        self._error = error
        self._remedy = remedy
        try:
            self._text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as cause:
            raise error(f"The file {file} cannot be read.", known=str(cause), remedy=remedy) from cause
        self.sha256 = hashlib.sha256(self._text.encode("utf-8")).hexdigest()
        self.value = self._parsed()

    def refuse(self, problem: FieldError) -> UsageError:
        """The error for the user, with the field and its line."""
        field = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in problem.where).lstrip(".")
        named = f", field {field}" if field else ""
        return self._error(
            f"{self._file}, line {self._line(problem.where)}{named}: {problem.wrong}.", remedy=self._remedy
        )

    def _parsed(self) -> Any:
        if self._file.name.endswith(".json"):
            try:
                return json.loads(self._text)
            except ValueError as cause:
                line = getattr(cause, "lineno", 1)
                raise self._unreadable(line, "JSON", str(cause)) from cause
        import yaml  # slow to import, and needed for files of a user's own alone

        try:
            return yaml.safe_load(self._text)
        except yaml.YAMLError as cause:
            mark = getattr(cause, "problem_mark", None)
            wrong = getattr(cause, "problem", None) or str(cause)
            raise self._unreadable(mark.line + 1 if mark else 1, "YAML", wrong) from cause

    def _unreadable(self, line: int, what: str, wrong: str) -> UsageError:
        return self._error(f"{self._file}, line {line}: this is no {what}: {wrong}.", remedy=self._remedy)

    def _line(self, where: tuple[str | int, ...]) -> int:
        """The line of a field, or of the innermost thing around it that there is."""
        import yaml

        # JSON is YAML but for tabs, which stand between its tokens alone.
        node = yaml.compose(self._text.replace("\t", " "))
        line = node.start_mark.line if node else 0
        for key in where:
            if isinstance(node, yaml.MappingNode):
                node = next((value for name, value in node.value if name.value == str(key)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
                node = node.value[key]
            else:
                break
            if node is None:
                break
            line = node.start_mark.line
        return int(line) + 1


def entry(value: Any, where: tuple[str | int, ...], fields: Mapping[str, bool]) -> Mapping[str, Any]:
    """A mapping with these fields.

    Args:
        value: What stands in the file.
        where: The way to it.
        fields: The known fields, and whether each must be there.

    Raises:
        FieldError: It is no mapping, lacks a field, or has one that is not known.
    """
    if not isinstance(value, Mapping):
        raise FieldError(where, f"a mapping with the fields {', '.join(fields)} belongs here, not {shortly(value)}")
    for unknown in sorted(set(map(str, value)) - set(fields)):
        raise FieldError((*where, unknown), f"there is no field {unknown!r}; the fields are {', '.join(fields)}")
    for name in (name for name, needed in fields.items() if needed and name not in value):
        raise FieldError(where, f"the field {name!r} is missing")
    return value


def text(value: Any, where: tuple[str | int, ...]) -> str:
    """A text that is not blank, its white space made single.

    Raises:
        FieldError: It is none.
    """
    if not isinstance(value, str) or not value.strip():
        raise FieldError(where, f"a text belongs here, not {shortly(value)}")
    return " ".join(value.split())


def items(value: Any, where: tuple[str | int, ...]) -> list[Any]:
    """A list.

    Raises:
        FieldError: It is none.
    """
    if not isinstance(value, list):
        raise FieldError(where, f"a list belongs here, not {shortly(value)}")
    return value


def number(value: Any, where: tuple[str | int, ...]) -> float:
    """A finite number.

    Raises:
        FieldError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise FieldError(where, f"a number belongs here, not {shortly(value)}")
    return float(value)


def shortly(value: Any) -> str:
    """A value for a message."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
