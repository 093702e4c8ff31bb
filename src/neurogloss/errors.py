"""The exceptions of neurogloss.

```
NeuroglossError                   exit code 1
├── UsageError                    exit code 2: the user can put it right
│   ├── ConfigError               a key, value or combination in the configuration
│   │   └── UnfitError            chosen components that do not fit together
│   ├── PluginError               a component that is missing, broken or registered twice
│   ├── SubjectError              an unknown model, site or unit
│   ├── CorpusError               a corpus that is missing, empty or unreadable
│   ├── StoreError                a store that cannot be opened, or what it does not hold
│   └── ReplayError               a replayed run asks what its ledger file does not hold
├── BudgetError                   exit code 3: the run stopped before its limit
├── PendingError                  exit code 0: all that is left of the run waits for batches
└── LanguageModelError            one call failed; the pipeline records it as a `Failure`
    ├── TransientError            worth another attempt (time-out, rate limit, connection)
    └── PermanentError            will fail again (wrong key, unknown model, context too long)
```
"""

from __future__ import annotations

from collections.abc import Callable


class NeuroglossError(Exception):
    """Base of all errors that neurogloss raises on purpose.

    Args:
        wrong: What is wrong, in one sentence.
        known: What is known about it: allowed values, what is installed, what was read.
        remedy: What to do.
    """

    exit_code = 1

    def __init__(self, wrong: str, *, known: str = "", remedy: str = "") -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.known = known
        self.remedy = remedy

    def __str__(self) -> str:
        return "\n".join(part for part in (self.wrong, self.known, self.remedy) if part)


class UsageError(NeuroglossError):
    """The input or the environment is wrong and the user can put it right."""

    exit_code = 2


class ConfigError(UsageError):
    """A key, a value or a combination of values in the configuration is wrong."""


class UnfitError(ConfigError):
    """Chosen components do not fit together.

    Args:
        wrong: As for `NeuroglossError`, like `known` and `remedy`.
        key: The dotted key of the component that cannot work with the others; empty where any may be at fault.
    """

    def __init__(self, wrong: str, *, known: str = "", remedy: str = "", key: str = "") -> None:
        super().__init__(wrong, known=known, remedy=remedy)
        self.key = key


class PluginError(UsageError):
    """A component is missing, broken or registered twice."""


class SubjectError(UsageError):
    """The subject cannot be loaded, or has no such site or unit."""


class CorpusError(UsageError):
    """The corpus is missing, empty or unreadable."""


class StoreError(UsageError):
    """The store cannot be opened, or does not hold what was asked for."""


class ReplayError(UsageError):
    """A replayed run asks something that was not recorded."""


class BudgetError(NeuroglossError):
    """The next call could exceed the budget, so it was not made; what is committed stays."""

    exit_code = 3


class PendingError(NeuroglossError):
    """What is left of the run waits for batches that are not finished; the same command goes on later."""

    exit_code = 0


class LanguageModelError(NeuroglossError):
    """A call to a language model failed."""


class TransientError(LanguageModelError):
    """The same call may succeed later: time-out, rate limit, lost connection.

    Args:
        wrong: As for `NeuroglossError`, like `known` and `remedy`.
        retry_after: Seconds to wait before the next attempt, where the server says so.
        rate_limited: The server refused because of too many calls, so all callers should slow down.
    """

    def __init__(
        self,
        wrong: str,
        *,
        known: str = "",
        remedy: str = "",
        retry_after: float | None = None,
        rate_limited: bool = False,
    ) -> None:
        super().__init__(wrong, known=known, remedy=remedy)
        self.retry_after = retry_after
        self.rate_limited = rate_limited


class PermanentError(LanguageModelError):
    """The same call will fail again: wrong key, unknown model, context too long."""


def rewrite(error: BaseException, change: Callable[[str], str]) -> None:
    """Changes the texts of an error and of those it came from: takes keys out of them, say."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NeuroglossError):
            cause.wrong, cause.known, cause.remedy = map(change, (cause.wrong, cause.known, cause.remedy))
        cause.args = tuple(change(each) if isinstance(each, str) else each for each in cause.args)
        cause = cause.__cause__ or cause.__context__
