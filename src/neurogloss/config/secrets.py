"""Keys never stand in a configuration: it is stored with the run and shown in reports.

A config holds the name of the environment variable that a key is read from.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from neurogloss.config.schema import BENCHMARK
from neurogloss.errors import ConfigError

_SECRET_WORDS = frozenset(
    {"key", "apikey", "token", "secret", "password", "credential", "credentials", "authorization"}
)
_KNOWN_SHAPE = re.compile(
    r"\b(sk-(?=[\w-]*\d)[\w-]{16,}|(hf|gsk|r8|gh[pousr]|github_pat)_\w{20,}|(xai|nvapi|pplx|glpat)-[\w-]{16,}"
    r"|AKIA[A-Z0-9]{12,}|AIza[\w-]{20,})"
)
_RANDOM = re.compile(r"(?=[^\s]*\d)(?=[^\s]*[A-Za-z])[\w.+=-]{16,}")
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:\s*(\w+)")
_HEADER = re.compile(
    r"(?i)(\bbearer\s+|\b(?:authorization|(?:x-)?api[-_]?key)\b['\"]?\s*[:=]\s*['\"]?(?:basic\s+)?)[^\s'\",;}]{6,}"
)
_SHORTEST = 8
"""Characters of a variable's value that is taken for a secret: shorter ones stand in any text."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def refuse_secrets(values: Any, key: str = "") -> None:
    """Refuses a configuration in which a value looks like a key.

    Args:
        values: Plain containers.
        key: The dotted key under which they stand.

    Raises:
        ConfigError: Some value looks like a key. The message does not repeat it.
    """
    for where, text in _strings(values, key):
        if where.startswith(f"{BENCHMARK}.") and "=" in text:  # an entry's name is nobody's field; its overrides are
            where, _, text = text.partition("=")
        found = _looks_like(where.rpartition(".")[2], text)
        if found:
            raise ConfigError(
                f"The value of {where} looks like {found}; it is not repeated here.",
                known="Configurations are stored with the run, so they hold the name of an environment variable.",
                remedy="Put the key into an environment variable, and its name into the field that ends in _env.",
            )


def refuse_secret_override(override: str) -> None:
    """Refuses an override `key=value` whose value looks like a key.

    Raises:
        ConfigError: It does. The message does not repeat it.
    """
    key, _, value = override.partition("=")
    for part in re.split(r"[\[\]{},'\"\s]+", value):
        refuse_secrets(part, key.lstrip("+~"))


def variables_of(values: Any) -> frozenset[str]:
    """The names of environment variables in a configuration: what its fields that end in `_env` hold."""
    return frozenset(text for key, text in _strings(values, "") if key.endswith("_env") and text)


def redacted(text: str, variables: Iterable[str] = ()) -> str:
    """A text without secrets, for messages and logs.

    Args:
        text: What some server or library said.
        variables: Environment variables whose values are left out; those whose names say that they
            hold a key are left out in any case, as is what looks like one.
    """
    secret = {*variables, *filter(_names_secret, os.environ)}
    values = {os.environ[name]: name for name in secret if len(os.environ.get(name, "")) >= _SHORTEST}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, f"[{values[value]}]")
    text = _PASSWORD_IN_URL.sub("://[redacted]@", text)
    return _KNOWN_SHAPE.sub("[redacted]", _HEADER.sub(r"\1[redacted]", text))


def _strings(values: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(values, str):
        yield key, values
    elif isinstance(values, dict):
        for name, value in values.items():
            yield from _strings(value, f"{key}.{name}" if key else str(name))
    elif isinstance(values, list):
        for value in values:
            yield from _strings(value, key)


def _looks_like(name: str, text: str) -> str:
    if _KNOWN_SHAPE.search(text):
        return "a key"
    if _PASSWORD_IN_URL.search(text):
        return "an address with a password"
    if any(_names_secret(variable) for variable in _ENVIRONMENT.findall(text)):
        return "the contents of a variable that holds a key"
    if name.endswith("_env"):
        return "" if not text or _VARIABLE.fullmatch(text) else "something else than the name of a variable"
    return "a key" if _names_secret(name) and _random(text) else ""


def _names_secret(name: str) -> bool:
    return bool(_SECRET_WORDS & set(name.lower().split("_")))


def _random(text: str) -> bool:
    """Whether a word is long, mixes letters and digits, and has more than 3 bits per character."""
    return any(_RANDOM.fullmatch(word) and _bits(word) > 3 for word in text.split())


def _bits(word: str) -> float:
    shares = [count / len(word) for count in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares)
