"""Hydra's and OmegaConf's errors in the program's own words: what is wrong, what is known, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    ConfigTypeError,
    InterpolationResolutionError,
    OmegaConfBaseException,
    ValidationError,
)

from neurogloss.config.conversion import nearest, unknown_key
from neurogloss.config.roles import as_written
from neurogloss.config.schema import BENCHMARK, GROUPS, ROLES
from neurogloss.errors import ConfigError, PluginError
from neurogloss.plugin.component import KINDS
from neurogloss.plugin.known import provider
from neurogloss.plugin.registry import Registry

_LIST_EXPECTED = ("is not a ListConfig", "type hint 'typing.List", "Cannot merge ListConfig with")
_MAPPING_EXPECTED = ("is not a DictConfig", "type hint 'typing.Dict", "Cannot merge DictConfig with")
_SEVERAL = ("scorer", "floor")
"""Groups of which a list is chosen."""
_EXPECTED = {"to Integer": "a whole number", "to Float": "a number", "valid bool": "true or false"}


def bad_syntax(override: str) -> ConfigError:
    """The error for an override that Hydra's grammar refuses."""
    key, equals, _ = override.partition("=")
    if not equals:
        return ConfigError(
            f"{override!r} is no override.",
            known="An override is KEY=VALUE or GROUP=OPTION.",
            remedy="Flags begin with a dash; see neurogloss run --help.",
        )
    return ConfigError(
        f"The value of {key} cannot be read: {override}",
        remedy=f"""Lists are [a,b]. Quote what holds more than letters, digits and /-+.$%*@?|: '{key}="..."'""",
    )


def unexpected_sweep(override: Override) -> ConfigError:
    """The error for several values where one job runs."""
    key = override.get_key_element()
    values = override.get_value_string()
    return ConfigError(
        f"{key} has several values: {values}",
        remedy=f"For a list write '{key}=[{values}]'; to run once for each, add -m.",
    )


def unknown_option(
    group: str, name: str, options: Sequence[str], registry: Registry, key: str | None = None
) -> ConfigError:
    """The error for an option that a group does not have."""
    given = f"{as_written(group if key is None else key)}={name}"
    wrong = f"{given}: there is no {group} named {name!r}."
    listed = f"Known: {', '.join(options) or 'none'}."
    if group not in KINDS:
        return ConfigError(wrong, known=listed, remedy=nearest(name, options))
    if name in {component.name for component in registry.components(group)}:
        problems = [problem for problem in map(str, registry.problems) if f"{group} {name!r}" in problem]
        return ConfigError(f"{given} cannot be used.", known="\n".join(problems), remedy="See neurogloss plugins.")
    missing = registry.missing(group, name)
    try:
        registry.get(group, name)
    except PluginError as error:
        if error.wrong != missing.wrong:  # two plugins have it
            return ConfigError(f"{given}: {error.wrong}", known=error.known, remedy=error.remedy)
    if registry.problems:
        listed += " Some plugins have problems: see neurogloss plugins."
    near = "" if provider(group, name) else nearest(name, options)
    return ConfigError(wrong, known=listed, remedy=near or missing.remedy)


def no_option(override: Override) -> ConfigError:
    """The error for `GROUP=null`."""
    key = as_written(override.get_key_element())
    without = f"write {key}=[] for none" if key in _SEVERAL else f"take {key} out of the configuration: '~{key}'"
    return ConfigError(f"{key}=null chooses nothing.", remedy=f"Leave it away, or {without}.")


def diagnosed(
    error: Exception,
    overrides: Sequence[Override],
    options_of: Callable[[str], Sequence[str]],
    file_of: Callable[[str], tuple[str, DictConfig]],
    registry: Registry,
) -> ConfigError:
    """The error for whatever composing raised.

    Args:
        error: What Hydra or OmegaConf raised.
        overrides: What was asked for.
        options_of: Lists the options of a group.
        file_of: From a group and an option, `benchmark/quick`, to the key at which the option's file is put and
            what the file holds.
        registry: The components.
    """
    if isinstance(error, MissingConfigException):
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        if group in (*GROUPS, BENCHMARK):
            return unknown_option(group, name, options_of(group), registry)
    for cause in _causes(error):
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            return _of_key(cause, overrides)
        if isinstance(cause, ConfigTypeError) and (file := re.search(r"^In '(.+?)'", str(error))):
            place, contents = file_of(file[1])
            before = OmegaConf.select(cause.parent_node, place) if place else cause.parent_node
            for key, expected in _misplaced(contents, before, place):
                return ConfigError(f"{key} has a value of the wrong type in {file[1]}.", known=f"Expected: {expected}.")
    text = str(error)
    if match := re.search(r"Could not delete '([^']+)'", text):
        group = as_written(match[1])
        remedy = f"For none write {group}=[]." if group in _SEVERAL else ""
        return ConfigError(f"'~{group}' takes nothing out of the configuration.", known=text.strip(), remedy=remedy)
    if match := re.search(r"Could not override '([^']+)'", text):
        return _no_such_group(match[1])
    if match := re.search(r"looks like a config group.*config group '([^']+)' does not", text, re.DOTALL):
        return _no_such_group(match[1])
    return ConfigError("The configuration cannot be composed.", known=text.strip())


def _misplaced(given: Any, before: Any, key: str) -> Iterator[tuple[str, str]]:
    """The keys at which a list stands in the place of a mapping, or the reverse, and what belongs there."""
    if isinstance(given, DictConfig) and isinstance(before, DictConfig):
        for name in map(str, given):
            if name in before and not (OmegaConf.is_missing(given, name) or OmegaConf.is_interpolation(given, name)):
                yield from _misplaced(given[name], before[name], f"{key}.{name}".lstrip("."))
    elif {type(given), type(before)} == {DictConfig, ListConfig}:
        yield key, "a mapping" if isinstance(before, DictConfig) else "a list"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _of_key(error: OmegaConfBaseException, overrides: Sequence[Override]) -> ConfigError:
    key = as_written(str(error.full_key))
    if isinstance(error, InterpolationResolutionError):
        return ConfigError(f"The value of {key} refers to what does not exist.", known=_first_line(error))
    if isinstance(error, ConfigKeyError | ConfigAttributeError):
        parent = error.parent_node
        known = [str(name) for name in parent if name != "hydra"] if isinstance(parent, DictConfig) else []
        role = re.match(r"(\w+)\.llm\.", key)
        if role and not known:
            return ConfigError(
                f"There is no key {key}.",
                known=f"The role {role[1]} has no language model of its own: it uses the run's llm.",
                remedy=f"Choose one first, such as {role[1]}/llm=local, or set llm.{key.split('.llm.')[1]}.",
            )
        return unknown_key(key, known)
    if isinstance(error, ValidationError) or "Cannot merge" in str(error):
        return _wrong_type(key, error, overrides)
    return ConfigError(f"{key}: {_first_line(error)}")


def _wrong_type(key: str, error: OmegaConfBaseException, overrides: Sequence[Override]) -> ConfigError:
    text = _first_line(error)
    value = next(
        (o.get_value_string() for o in overrides if o.key_or_group == error.full_key and "=" in str(o.input_line)), None
    )
    wrong = f"{key}={value} is of the wrong type." if value is not None else f"{key} has a value of the wrong type."
    for phrase, expected in _EXPECTED.items():
        if phrase in text:
            return ConfigError(wrong, known=f"Expected: {expected}.")
    if any(phrase in text for phrase in _LIST_EXPECTED):
        return ConfigError(wrong, known="Expected: a list.", remedy=f"'{key}=[{value or '...'}]'")
    if any(phrase in text for phrase in _MAPPING_EXPECTED):
        return ConfigError(wrong, known="Expected: a mapping.", remedy=f"'{key}={{NAME: ...}}'")
    return ConfigError(wrong, known=text)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _no_such_group(key: str) -> ConfigError:
    keys = [*GROUPS, *(f"{role}/llm" for role in ROLES)]
    shown = as_written(key)
    return ConfigError(
        f"There is no group {shown}.", known=f"The groups are {', '.join(keys)}.", remedy=nearest(shown, keys)
    )
