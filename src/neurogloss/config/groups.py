"""Every registered component as an option of its kind's group, and where presets are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigNode, ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from neurogloss.config.conversion import held
from neurogloss.config.roles import INHERIT
from neurogloss.config.schema import BENCHMARK, BenchmarkConfig, BenchmarkRoot, ModelConfig, ResultsConfig, RunConfig
from neurogloss.errors import ConfigError
from neurogloss.plugin.component import KINDS, Component
from neurogloss.plugin.registry import Registry

AXES = "axes"
"""The option of the group `benchmark` that presets extend: axes without entries."""

CONF = "neurogloss.conf"
"""The package of the program's own YAML files."""


class PresetSearchPath(SearchPathPlugin):
    """Where Hydra finds YAML files beyond the program's own."""

    places: Sequence[str] = ()
    """`pkg://PACKAGE` and `file://FOLDER`."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Appends the places."""
        for place in self.places:
            search_path.append("neurogloss", place)


class Option(ConfigNode):
    """A component as Hydra's store holds it: its config is made for those that are chosen, as all would take long."""

    def __init__(self, component: Component, registry: Registry) -> None:
        self.name = f"{component.name}.yaml"
        self.group = component.kind
        self.package = f"scorer.{component.name}" if component.kind == "scorer" else None
        self.provider = None
        self._component = component
        self._registry = registry
        self._made: Any = None

    def __deepcopy__(self, memo: Any) -> Option:
        """Itself: Hydra copies the whole store to look into it, and what it loads it copies by itself."""
        return self

    @property
    def node(self) -> Any:
        """The config.

        Raises:
            ConfigError: OmegaConf cannot hold it, which becomes a problem of the component's plugin.
        """
        if self._made is None:
            kind, name = self._component.kind, self._component.name
            try:
                self._made = OmegaConf.structured(held(self._component.config, name))
            except Exception as error:
                told = f"{kind} {name!r} has a config that OmegaConf refuses: {error}"
                self._registry.add_problem(self._component, told)
                source = " ".join(self._registry.distribution_of(self._component))
                raise ConfigError(f"{kind}={name} cannot be used.", known=f"{source}: {told}") from error
        return self._made

    @node.setter
    def node(self, copied: Any) -> None:
        self._made = copied


def store_groups(registry: Registry, folders: Sequence[str] = ()) -> None:
    """Makes the registry's components and presets known to Hydra, in place of those known before.

    Args:
        registry: The components.
        folders: Further folders with YAML files.
    """
    store = ConfigStore.instance()
    for kind in KINDS:
        store.repo.pop(kind, None)
    store.store(name="run_schema", node=held(RunConfig))
    store.store(name="results_schema", node=held(ResultsConfig))
    store.store(name="model_schema", node=held(ModelConfig))
    store.store(name="benchmark_schema", node=held(BenchmarkRoot))
    store.store(group=BENCHMARK, name=AXES, node=held(BenchmarkConfig))
    store.store(group="llm", name=INHERIT, node={})
    for component in registry.components():
        option = Option(component, registry)
        store.repo.setdefault(component.kind, {})[option.name] = option
    packages = [f"pkg://{package}" for package in registry.config_packages if package != CONF]
    PresetSearchPath.places = [*packages, *(f"file://{folder}" for folder in folders)]
    Plugins.instance().register(PresetSearchPath)
