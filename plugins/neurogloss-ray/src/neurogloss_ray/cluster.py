"""The connection to a cluster."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from neurogloss.errors import ConfigError
from neurogloss_ray.configs import RayConfig

_ANSWERS_WITHIN_S = 10.0


class Cluster:
    """A cluster, connected to when it is first needed.

    Args:
        config: Which, and what to ask of it.
    """

    def __init__(self, config: RayConfig) -> None:
        self._config = config
        self._ours = False

    def connect(self) -> None:
        """Connects; a connection that this process has already is used as it is.

        Raises:
            ConfigError: Nothing answers at the address.
        """
        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody else is told of a run
        address = self._config.address or "local"
        if address not in ("auto", "local"):
            _refuse_silent(address)
        try:
            ray.init(
                address=address,
                log_to_driver=self._config.logs,
                logging_level=logging.ERROR,
                **({"include_dashboard": False} if address == "local" else {}),
            )
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            raise _unreachable(self._config.address, str(error)) from error
        # Otherwise Ray prints what it thinks of dead workers to stdout, where --json is read.
        ray._private.worker._worker_logs_enabled = self._config.logs
        self._ours = True

    def disconnect(self) -> None:
        """Ends the connection, and the cluster if it was begun here."""
        if self._ours:
            ray.shutdown()
            self._ours = False

    def n_workers(self) -> int:
        """How many workers to begin.

        Raises:
            ConfigError: No machine of the cluster can hold one, and their number is not given.
        """
        if self._config.workers is not None:
            return self._config.workers
        wanted = {"CPU": self._config.cpus, "GPU": self._config.gpus}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = [
            min((int(node.get(name, 0) // amount) for name, amount in wanted.items() if amount > 0), default=1)
            for node in nodes
        ]
        if not sum(room):
            has = "; ".join(f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in nodes)
            raise ConfigError(
                f"No machine of the cluster has room for a worker of {wanted['CPU']:g} CPUs and "
                f"{wanted['GPU']:g} GPUs.",
                known=f"The machines: {has}",
                remedy="Lower executor.cpus or executor.gpus; where a cluster grows on demand, set executor.workers.",
            )
        return sum(room)

    def hub(self, actor: type, *arguments: Any) -> Any:
        """An actor on this machine, which takes no share of it."""
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        # Those that wait for a turn must not keep out those that give one back.
        made = ray.remote(actor).options(num_cpus=0, scheduling_strategy=here, max_concurrency=100_000)
        return made.remote(*arguments)

    def worker(self, actor: type, max_concurrency: int) -> Any:
        """An actor on some machine, the workers being spread evenly."""
        made = ray.remote(actor).options(
            num_cpus=self._config.cpus,
            num_gpus=self._config.gpus,
            scheduling_strategy="SPREAD",
            max_concurrency=max_concurrency,
            max_restarts=0,
        )
        return made.remote(os.getcwd())

    def end(self, actor: Any) -> None:
        """Ends an actor's process, if it has not ended."""
        ray.kill(actor)


def _refuse_silent(address: str) -> None:
    """Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWERS_WITHIN_S).close()
    except OSError as error:
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str | None, known: str) -> ConfigError:
    where = {None: "could not be begun on this machine", "auto": "was not found on this machine"}
    return ConfigError(
        f"A Ray cluster {where.get(address, f'does not answer at {address}')}: executor.address={address}.".replace(
            "=None", "=null"
        ),
        known=known.strip().splitlines()[0] if known.strip() else "",
        remedy="Begin one with `ray start --head`, give the address that it prints, or leave executor.address out.",
    )
