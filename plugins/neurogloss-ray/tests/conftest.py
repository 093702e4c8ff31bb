"""A cluster of two nodes on this machine, of which one can be killed with its processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AUTH_MODE"] = "disabled"  # otherwise a token is put into the home folder

import ray
from ray.cluster_utils import Cluster

_QUICK_TO_NOTICE: dict[str, object] = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
    # Processes begin when they are needed: there are two cores for all of them.
    "enable_worker_prestart": False,
    "prestart_worker_first_driver": False,
}


class TwoNodes:
    """This process' node, the head, and another."""

    def __init__(self) -> None:
        self._cluster: Any = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 2, "include_dashboard": False, "_system_config": _QUICK_TO_NOTICE},
        )
        self.address: str = self._cluster.address
        self._other: Any = None
        self.complete()

    def complete(self) -> None:
        """Adds the other node, if it is not there."""
        if self._other is None:
            self._other = self._cluster.add_node(num_cpus=2)
            self._cluster.wait_for_nodes()

    def kill(self) -> None:
        """Kills the other node with all its processes."""
        raylets = self._other.all_processes["raylet"]
        workers = [child for one in raylets for child in psutil.Process(one.process.pid).children(recursive=True)]
        self._cluster.remove_node(self._other, allow_graceful=False)
        self._other = None
        for worker in workers:
            try:
                worker.kill()
            except psutil.NoSuchProcess:
                continue

    def end(self) -> None:
        """Ends all processes."""
        ray.shutdown()
        self._cluster.shutdown()


@pytest.fixture(scope="session")
def _two_nodes() -> Iterator[TwoNodes]:
    # Workers take the search path of this process, which pytest has changed.
    assert sys.executable
    nodes = TwoNodes()
    yield nodes
    nodes.end()


@pytest.fixture
def two_nodes(_two_nodes: TwoNodes) -> TwoNodes:
    """The cluster, with both of its nodes."""
    _two_nodes.complete()
    return _two_nodes
