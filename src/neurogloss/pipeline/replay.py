"""Ledger files: every reply that a run used, and a run that is answered from them alone."""

from __future__ import annotations

import errno
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import cast

from neurogloss.errors import ConfigError, PermanentError, ReplayError, StoreError
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.pipeline.ledgered_model import USABLE_CHOICES, Answering, describe, request_key
from neurogloss.records import codec
from neurogloss.records.requests import GenerateRequest, Reply, Request, TextRequest
from neurogloss.records.runs import RecordedCall
from neurogloss.store.room import needing_room

_SHOWN = 200
"""Characters of a request in a message."""


class LedgerMode(Enum):
    """Where replies come from."""

    LIVE = "live"
    """From language models, or from the store where they are committed."""
    RECORD = "record"
    """The same, and each goes to the ledger file as well."""
    REPLAY = "replay"
    """From the ledger file alone."""


@dataclass
class LedgerConfig:
    """The ledger of a run."""

    mode: LedgerMode = LedgerMode.LIVE
    file: str | None = None
    """The ledger file, to be recorded or replayed."""

    def check(self) -> None:
        """Raises `ConfigError` where a file is needed and not given, or not there."""
        if self.mode is not LedgerMode.LIVE and not self.file:
            raise ConfigError(f"mode is {self.mode.value}, and no file is given.", remedy="Name one: llm.ledger=FILE")
        if self.mode is LedgerMode.REPLAY and self.file and not Path(self.file).is_file():
            raise ConfigError(f"file: there is no ledger file {self.file}.", remedy="Record it first: llm.mode=record")


class CallFile(ABC):
    """Where a run records the calls whose replies it uses."""

    @abstractmethod
    def answers(self, key: str) -> bool:
        """Whether it holds a reply to the request of this key."""

    @abstractmethod
    def add(self, call: RecordedCall) -> None:
        """Appends a call; it is in the file when this returns."""


class LedgerFile(CallFile):
    """Calls, one a line, in JSON; of several lines about one request the last counts.

    Args:
        path: The file; it need not exist.

    Raises:
        StoreError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, int] = {}
        self._failed: set[str] = set()
        if path.exists():
            self._read()

    def answers(self, key: str) -> bool:
        return key in self._places and key not in self._failed

    def call(self, key: str) -> RecordedCall | None:
        """The call of this key, answered or failed."""
        if key not in self._places:
            return None
        with self._path.open("rb") as file:
            file.seek(self._places[key])
            return cast(RecordedCall, codec.decode(file.readline().decode("utf-8")))

    def add(self, call: RecordedCall) -> None:
        """Appends a call; it is in the file when this returns.

        Raises:
            StoreError: The disk is full; the file is as it was before.
        """
        line = codec.encode(call).encode("utf-8") + b"\n"
        with needing_room(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                place = file.tell()
                try:
                    written = file.write(line)
                    if written < len(line):  # the rest found no room
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                except OSError:
                    file.truncate(place)
                    raise
        self._note(call.key, place, failed=call.reply is None)

    def _note(self, key: str, place: int, *, failed: bool) -> None:
        self._places[key] = place
        (self._failed.add if failed else self._failed.discard)(key)

    def _read(self) -> None:
        try:
            with self._path.open("r+b") as file:
                place = 0
                for line in file:
                    if not line.endswith(b"\n"):  # cut off when the process that wrote it was killed
                        file.truncate(place)
                        return
                    call = json.loads(line)["record"]["value"]
                    self._note(call["key"], place, failed=call["reply"] is None)
                    place += len(line)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"The ledger file {self._path} cannot be read.", known=str(error)) from error


class ReplayLedger(Answering):
    """Answers from a ledger file; no language model is asked anything but what it is called.

    Args:
        store: Notes which replies were used; the replies themselves stay in the file.
        run_id: The run that uses them.
        file: What was recorded.
    """

    def __init__(self, store: ResultStore, run_id: str, file: LedgerFile) -> None:
        self._store = store
        self._run_id = run_id
        self._file = file

    async def ask(self, role: str, model: LanguageModel, verb: str, request: Request) -> Reply:
        call = self._call(role, model, verb, request)
        if call.reply is None:
            raise PermanentError(call.error)
        self._store.add_use(self._run_id, call.key, role)
        return cast(Reply, call.reply)

    async def usable_choices(self, model: LanguageModel, choices: Sequence[str]) -> tuple[str, ...]:
        return cast(tuple[str, ...], self._call("", model, USABLE_CHOICES, tuple(choices)).reply)

    def reject(self, model: LanguageModel, request: Request) -> None:
        """What is recorded stays."""

    def _call(self, role: str, model: LanguageModel, verb: str, request: Request | tuple[str, ...]) -> RecordedCall:
        call = self._file.call(request_key(model, verb, request))
        if call is None:
            asker = f"the {role} asks" if role else "is asked"
            raise ReplayError(
                f"The ledger file does not hold what {asker} {describe(model)} ({verb}).",
                known=f"The request begins: {_beginning(request)}",
                remedy="It replays the run that recorded it, with the same settings and models. "
                "llm.mode=record asks what is missing and adds it.",
            )
        return call


def _beginning(request: Request | tuple[str, ...]) -> str:
    if isinstance(request, tuple):
        return repr(request)
    if isinstance(request, TextRequest):
        return repr((request.context + request.text)[:_SHOWN])
    texts = [message.content for message in request.messages]
    if not isinstance(request, GenerateRequest):
        texts += request.pieces
    return repr(" ".join(texts)[:_SHOWN])
