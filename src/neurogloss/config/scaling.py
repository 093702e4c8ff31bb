"""A file that describes models and machines that are not here."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from neurogloss.config.conversion import given, held
from neurogloss.errors import ConfigError
from neurogloss.pipeline.estimating.scaling import ScaleConfig


def load_scale(path: str) -> ScaleConfig:
    """Reads the file.

    Raises:
        ConfigError: It cannot be read, or a value is missing or wrong.
    """
    try:
        read = OmegaConf.load(Path(path).expanduser())
        merged = OmegaConf.merge(OmegaConf.structured(held(ScaleConfig)), read)
        values = OmegaConf.to_container(merged)
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        known = str(error).splitlines()[0]
        raise ConfigError(f"--scale: {path} cannot be read.", known=known, remedy="See docs/scaling.yaml.") from error
    assert isinstance(values, dict)
    scale: ScaleConfig = given(ScaleConfig, {str(name): value for name, value in values.items()}, "--scale")
    return scale
