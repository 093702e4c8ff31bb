"""Failures as data: counted, shown, and asked again; never a zero."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why there is no result."""

    DEAD = "dead"
    """The unit never fires in the split that is needed."""
    TOO_FEW_RECORDS = "too_few_records"
    CONSTANT = "constant"
    """The unit's true values do not vary, so nothing can be correlated with them."""
    UNPARSABLE = "unparsable"
    """The language model answered, and the answer could not be read."""
    REFUSED = "refused"
    FAILED = "failed"
    """The call itself failed, after all attempts."""
    NOT_WRITTEN = "not_written"
    """An explanation was to be taken from what a person wrote, and nobody wrote one."""
    MISMATCHED = "mismatched"
    """The explanation is of a type that this component does not read."""


RETRYABLE = frozenset({Reason.UNPARSABLE, Reason.REFUSED, Reason.FAILED})
"""Reasons that depend on a language model, and may go away when it is asked again."""


@dataclass(frozen=True)
class Failure:
    """The recorded absence of an explanation, a simulation or a score."""

    reason: Reason
    detail: str
    """What happened, for a person; never a secret, never a whole prompt."""
