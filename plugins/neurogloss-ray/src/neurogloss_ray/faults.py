"""What is told when workers cannot work."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ray.exceptions import RayActorError, RayError, RayTaskError

from neurogloss.errors import NeuroglossError, UsageError
from neurogloss_ray.configs import RayConfig

_log = logging.getLogger(__name__)


def tell_death(error: RayActorError | None) -> None:
    """Warns that a worker has died."""
    _log.warning("a worker died; another does what it was at. %s", _said(error) if error else "")


def died_too_often(where: str, error: RayActorError, deaths: int) -> NeuroglossError:
    """The error for a worker that dies again and again."""
    return NeuroglossError(
        f"A worker died {where}, {deaths} times.",
        known=f"Ray says: {_said(error)}",
        remedy="What was committed is kept: the same command goes on from there. Where memory ran out, set "
        "executor.workers or executor.concurrency lower; executor.attempts says how many deaths are borne.",
    )


def none_began(config: RayConfig) -> UsageError:
    """The error for a cluster that has no place for a worker."""
    return UsageError(
        f"No worker could begin within {config.patience_s:g} s.",
        known=f"Each asks for {config.cpus:g} CPUs and {config.gpus:g} GPUs; `ray status` shows what is free.",
        remedy="Wait until the cluster is free, lower executor.cpus or executor.gpus, or raise executor.patience_s.",
    )


@contextmanager
def of_the_hub() -> Iterator[None]:
    """Makes the end of the hub's process an error for people."""
    try:
        yield
    except RayActorError:
        raise NeuroglossError(
            "The process that keeps limits, budget and store for all workers has ended.",
            known="What was committed is kept.",
            remedy="The same command goes on from there.",
        ) from None


@contextmanager
def unusable() -> Iterator[None]:
    """Makes an error that Ray raises for a worker that lives one for people: it lacks a package, most often."""
    try:
        yield
    except RayActorError:
        raise
    except RayError as error:
        cause = error.cause if isinstance(error, RayTaskError) else error
        raise UsageError(
            "A worker cannot take the work.",
            known=f"{type(cause).__name__}: {str(cause).strip().splitlines()[-1]}",
            remedy="Every machine needs the same versions of Python, ray, neurogloss and its plugins.",
        ) from error


def _said(error: RayActorError) -> str:
    return " ".join(line.strip() for line in str(error).splitlines() if line.strip())
