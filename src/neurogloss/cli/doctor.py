"""`neurogloss doctor`: whether this installation can do what it is for."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path

from neurogloss import __version__
from neurogloss.config.composing import compose
from neurogloss.config.secrets import redacted, variables_of
from neurogloss.config.settings import has_server, model_of, settings_of, store_of
from neurogloss.errors import NeuroglossError
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.probing import Finding, Probing
from neurogloss.plugin.building import provided
from neurogloss.plugin.registry import Registry, load_registry

Check = tuple[str, bool, str]
"""What was looked at, whether it is right, and what was found."""


def doctor_command(options: argparse.Namespace) -> int:
    """Prints every check; the exit code is 1 if one fails.

    With `llm=NAME` that language model is asked a handful of tiny questions, and nothing else is checked.
    """
    registry = load_registry()
    asked = any(override.startswith(("llm=", "llm.")) for override in options.overrides)
    checks = list(_abilities(registry, options) if asked else _checks(registry, options))
    well = all(right for _, right, _ in checks)
    if options.json:
        data = [{"check": name, "ok": right, "found": found} for name, right, found in checks]
        print(json.dumps({"ok": well, "checks": data}, indent=2))
    else:
        for name, right, found in checks:
            print(f"{'ok   ' if right else 'WRONG'} {name}: " + "\n        ".join(found.splitlines()))
    return 0 if well else 1


def _checks(registry: Registry, options: argparse.Namespace) -> Iterator[Check]:
    yield "neurogloss", True, __version__
    yield "python", (3, 11) <= sys.version_info < (3, 14), platform.python_version()
    yield "platform", True, platform.platform()
    for component in registry.components():
        yield _tried(f"{component.kind} {component.name}", partial(_imported, component.factory))
    yield from (("plugin", False, str(problem)) for problem in registry.problems)
    if importlib.util.find_spec("torch") is not None:
        yield _tried("torch", _torch)
    yield _tried("store", partial(_writable, options, registry))
    yield _tried("default run", partial(_composed, registry))


def _abilities(registry: Registry, options: argparse.Namespace) -> Iterator[Check]:
    """What the chosen language model can do, as it is seen to do it.

    An ability that it does not claim may be lacking.
    """
    config = compose(options.overrides, registry, folders=options.config_dir, root="model")
    choice = model_of(config, registry)
    claimed = provided(choice.component, choice.config)
    name = f"llm {choice.component.name}"
    try:
        findings = asyncio.run(_probed(registry.build(choice.component, choice.config)))
    except NeuroglossError as error:
        yield name, False, redacted(str(error), variables_of(choice.plain()))
        return
    for finding in findings:
        right = finding.works or not (finding.claimed or finding.ability in claimed)
        seen = f"{'works' if finding.works else 'lacking' if right else 'does not work'}: {finding.detail}"
        yield f"{name}: {finding.ability}", right, redacted(seen, variables_of(choice.plain()))


async def _probed(model: LanguageModel) -> tuple[Finding, ...]:
    try:
        if isinstance(model, Probing):
            return await model.probe()
        return (Finding("probing", False, "this language model cannot be probed"),)
    finally:
        await model.close()


def _tried(name: str, check: Callable[[], str]) -> Check:
    try:
        return name, True, check()
    except NeuroglossError as error:
        return name, False, str(error)
    except Exception as error:
        return name, False, f"{type(error).__name__}: {error}"


def _imported(factory: str) -> str:
    module, _, name = factory.partition(":")
    getattr(import_module(module), name)
    return factory


def _torch() -> str:
    torch = import_module("torch")
    if torch.cuda.is_available():
        return f"{torch.__version__}, {torch.cuda.get_device_name()}"
    return f"{torch.__version__}, {'mps' if torch.backends.mps.is_available() else 'cpu'}"


def _writable(options: argparse.Namespace, registry: Registry) -> str:
    config = compose(options.overrides, registry, folders=options.config_dir, root="results")
    store = store_of(config, registry)
    if has_server(store):
        registry.build(store.component, store.config).close()
    root = Path(store.config.root).absolute()
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    with tempfile.TemporaryFile(dir=existing):
        return str(root)


def _composed(registry: Registry) -> str:
    settings = settings_of(compose([], registry), registry)
    return f"{len(list(settings.choices()))} components fit together"
