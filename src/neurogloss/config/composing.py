"""From overrides to the composed configuration, through Hydra's compose API."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from neurogloss.config.diagnosis import bad_syntax, diagnosed, no_option, unexpected_sweep, unknown_option
from neurogloss.config.groups import CONF, store_groups
from neurogloss.config.roles import INHERIT, rewritten
from neurogloss.config.schema import BENCHMARK, GROUPS
from neurogloss.config.secrets import refuse_secret_override, refuse_secrets
from neurogloss.errors import ConfigError
from neurogloss.plugin.registry import Registry

Composed = Callable[[Sequence[str], str], DictConfig]
"""From overrides and the root to the composed configuration; see `compose`."""


def compose(
    overrides: Sequence[str], registry: Registry, *, folders: Sequence[str] = (), root: str = "config"
) -> DictConfig:
    """Composes the configuration of one job.

    Args:
        overrides: Hydra overrides, and `ROLE/llm=` and `ROLE.llm.KEY=` for the role's language model.
        registry: The components that can be chosen.
        folders: Further folders with YAML files, laid out in groups.
        root: The YAML file to begin with: `config`, `results` for the store alone, `model` for a
            language model alone, or `benchmark` for the axes of a benchmark.

    Raises:
        ConfigError: A key, an option or a value is wrong; the message says which, and what is allowed.
    """
    with composer(registry, folders=folders) as composed:
        return composed(overrides, root)


@contextmanager
def composer(registry: Registry, *, folders: Sequence[str] = ()) -> Iterator[Composed]:
    """`compose` for many jobs: a function of overrides and root, which looks up groups and options once."""
    with _hydra(registry, folders) as loader:
        known = cache(partial(loader.get_group_options, results_filter=ObjectType.CONFIG))

        def composed(overrides: Sequence[str], root: str) -> DictConfig:
            return _composed(overrides, root, loader, known, registry)

        yield composed


def _composed(
    overrides: Sequence[str],
    root: str,
    loader: ConfigLoader,
    known: Callable[[str], list[str]],
    registry: Registry,
) -> DictConfig:
    parsed = _parsed(overrides, loader)
    for override in parsed:
        if override.is_sweep_override():
            raise unexpected_sweep(override)
        _check_options(override, known, registry)
    lines = [str(override.input_line) for override in parsed]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            made = hydra.compose(root, lines)
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError, UserWarning) as error:
        raise diagnosed(error, parsed, partial(_options, loader), partial(_file, loader), registry) from error
    refuse_secrets(OmegaConf.to_container(made, resolve=False))
    return made


def jobs_of(overrides: Sequence[str], registry: Registry, *, folders: Sequence[str] = ()) -> list[list[str]]:
    """The overrides of each job of a sweep: the product of all swept values, in order.

    Raises:
        ConfigError: An override cannot be parsed, or sweeps over what cannot be listed.
    """
    with _hydra(registry, folders) as loader:
        try:
            (jobs,) = BasicSweeper.split_arguments(_parsed(overrides, loader), max_batch_size=None)
        except HydraException as error:
            raise ConfigError(
                f"This sweep cannot be listed: {error}", remedy="Sweep with a,b,c, choice(), range() or glob()."
            ) from error
    return jobs


def options(registry: Registry, *, folders: Sequence[str] = ()) -> dict[str, list[str]]:
    """The options of each group, components and presets together."""
    with _hydra(registry, folders) as loader:
        return {group: _options(loader, group) for group in GROUPS}


@contextmanager
def _hydra(registry: Registry, folders: Sequence[str]) -> Iterator[ConfigLoader]:
    for folder in folders:
        if not Path(folder).is_dir():
            raise ConfigError(f"There is no folder {folder}.", remedy="Give one that exists: --config-dir DIR")
    store_groups(registry, folders)
    with hydra.initialize_config_module(CONF, job_name="neurogloss", version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


def _options(loader: ConfigLoader, group: str) -> list[str]:
    return _choosable(loader.get_group_options(group, ObjectType.CONFIG))


def _file(loader: Any, name: str) -> tuple[str, DictConfig]:
    """Where an option's file is put, and what it holds."""
    found = loader.repository.load_config(name)
    package = (found.header or {}).get("package") or name.rpartition("/")[0].replace("/", ".")
    return "" if package == "_global_" else package, found.config


def _choosable(options: Sequence[str]) -> list[str]:
    return [name for name in options if name != INHERIT]


def _parsed(overrides: Sequence[str], loader: ConfigLoader) -> list[Override]:
    parser = OverridesParser.create(config_loader=loader)
    parsed = []
    for override in overrides:
        refuse_secret_override(override)
        try:
            parsed.extend(parser.parse_overrides([rewritten(override)]))
        except HydraException as error:
            raise bad_syntax(override) from error
        if parsed[-1].is_hydra_override() and parsed[-1].key_or_group != "hydra.searchpath":
            raise ConfigError(
                f"{override.partition('=')[0]} has no effect: of Hydra's own settings only hydra.searchpath is used.",
                remedy="Remove it.",
            )
    return parsed


def _check_options(override: Override, options_of: Callable[[str], list[str]], registry: Registry) -> None:
    group = override.key_or_group
    if group not in (*GROUPS, BENCHMARK) or override.is_delete():
        return
    value = override.value()
    chosen = value if isinstance(value, list) else [value]
    known = options_of(group)
    for name in chosen:
        if isinstance(name, dict):
            continue
        if name is None:
            raise no_option(override)
        if name not in known:
            raise unknown_option(group, str(name), _choosable(known), registry, override.get_key_element())
