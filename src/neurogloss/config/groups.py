"""Every registered component as an option of its kind's group, and where presets are found."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from neurogloss.config.conversion import held
from neurogloss.config.roles import INHERIT
from neurogloss.config.schema import BENCHMARK, BenchmarkConfig, BenchmarkRoot, ModelConfig, ResultsConfig, RunConfig
from neurogloss.plugin.component import KINDS
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


def store_groups(registry: Registry, folders: Sequence[str] = ()) -> None:
    """Makes the registry's components and presets known to Hydra, in place of those known before.

    A component whose config OmegaConf cannot hold becomes a problem of its plugin and no option.

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
        kind, name = component.kind, component.name
        package = f"{kind}.{name}" if kind == "scorer" else None
        try:
            store.store(group=kind, name=name, node=held(component.config, name), package=package)
        except Exception as error:
            registry.add_problem(component, f"{kind} {name!r} has a config that OmegaConf refuses: {error}")
    packages = [f"pkg://{package}" for package in registry.config_packages if package != CONF]
    PresetSearchPath.places = [*packages, *(f"file://{folder}" for folder in folders)]
    Plugins.instance().register(PresetSearchPath)
