"""What the executor can be told; light, so that listing plugins loads no library."""

from __future__ import annotations

from dataclasses import dataclass

from neurogloss.errors import ConfigError


@dataclass
class RayConfig:
    """Work in many processes, on one machine or many; those that die are replaced."""

    address: str | None = None
    """`auto` for the cluster that this machine belongs to, or HOST:PORT of one; null begins one on this machine, which
    ends with the run."""
    workers: int | None = None
    """Processes that work; each builds what it needs once: the subject, a language model. Null is as many as the
    cluster has room for when work begins."""
    concurrency: int = 8
    """Units in work at once in each worker."""
    cpus: float = 1.0
    """Of each worker."""
    gpus: float = 0.0
    """Of each worker; 0.5 lets two share a card."""
    shards_per_worker: int = 1
    """Parts of the corpus for each worker when units are collected. With more, a worker that dies takes less with it,
    and each takes as much memory as all that is kept of the units."""
    attempts: int = 3
    """How many workers may die over the same unit, or the same documents, before the run ends."""
    patience_s: float = 600.0
    """How long to wait for the first worker to begin."""
    logs: bool = False
    """Whether what workers write is shown."""

    def check(self) -> None:
        """Refuses values that nothing can be done with.

        Raises:
            ConfigError: Names the field.
        """
        for name in ("workers", "concurrency", "shards_per_worker", "attempts"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}.", remedy="Give at least 1.")
        for name in ("cpus", "gpus"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}.", remedy="Give at least 0.")
        if not self.patience_s > 0:
            raise ConfigError(f"patience_s is {self.patience_s}.", remedy="Give more than 0.")
        if self.address is not None and self.address != "auto" and not _is_address(self.address):
            raise ConfigError(
                f"address is {self.address!r}.",
                known="An address is auto, or HOST:PORT of the cluster's head, which `ray start --head` prints.",
            )


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and "/" not in host and port.isdigit() and 0 < int(port) < 1 << 16
