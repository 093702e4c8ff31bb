"""A corpus of the user's own files."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from neurogloss.builtin.corpora.configs import FilesConfig, SplitOn
from neurogloss.builtin.corpora.contents import contents_hash
from neurogloss.errors import CorpusError
from neurogloss.interfaces.corpus import Corpus
from neurogloss.records.documents import Document, Message

_JSON_LINES = {".jsonl", ".json"}
_ROLES = ("system", "user", "assistant")
_BOM = "\ufeff"


class FilesCorpus(Corpus):
    """Documents from text files and JSON Lines, in the order of the paths.

    The files that match one pattern are read in alphabetical order, and a file that matches twice
    is read once. A document's id is the file's name and the line on which it begins, so it does not
    change when the folder moves; files of equal name are told apart by their folders. Documents of
    white space alone are skipped.
    """

    def __init__(self, config: FilesConfig) -> None:
        self._config = config

    def identity(self) -> Mapping[str, str]:
        return {"corpus": "files", "sha256": self._sha256}

    @cached_property
    def _sha256(self) -> str:
        return contents_hash(self.documents())  # which a run asks for several times

    def documents(self) -> Iterator[Document]:
        seen: set[str] = set()
        for path, name in self._names.items():
            for place, document in self._read(path, name):
                if not (document.text.strip() or document.messages):
                    continue
                if document.id in seen:
                    raise CorpusError(
                        f"{place}: the id {document.id!r} stands at an earlier document too.",
                        remedy="Ids must be unique; without id_field they are made from file and line.",
                    )
                seen.add(document.id)
                yield document
        if not seen:
            raise CorpusError(
                "The corpus is empty.", known=f"Read, and found without text: {', '.join(map(str, self._names))}"
            )

    @cached_property
    def _names(self) -> Mapping[Path, str]:
        """The files, in order, and the name of each in its documents' ids."""
        paths = list(dict.fromkeys(path for given in self._config.paths for path in _matching(given)))
        if not paths:
            raise CorpusError("No files are given.", remedy="Name some: 'corpus.paths=[texts/*.txt]'")
        names = [path.name for path in paths]
        if len(set(names)) == len(names):
            return dict(zip(paths, names, strict=True))
        whole = [path.resolve() for path in paths]
        shared = next(parent for parent in whole[0].parents if all(parent in path.parents for path in whole))
        return {path: full.relative_to(shared).as_posix() for path, full in zip(paths, whole, strict=True)}

    def _read(self, path: Path, name: str) -> Iterator[tuple[str, Document]]:
        """The documents of one file, each with its place for messages."""
        try:
            with path.open("rb") as file:
                yield from (self._json_lines if path.suffix.lower() in _JSON_LINES else self._texts)(file, path, name)
        except OSError as error:
            raise CorpusError(f"{path} cannot be read.", known=str(error)) from error

    def _texts(self, file: BinaryIO, path: Path, name: str) -> Iterator[tuple[str, Document]]:
        text = _decoded(file.read(), path, 0).replace("\r\n", "\n")
        if self._config.split_on is SplitOn.NONE:
            yield str(path), Document(name, text)
            return
        for line, part in _parts(text, self._config.split_on):
            yield f"{path}:{line}", Document(f"{name}:{line}", part)

    def _json_lines(self, file: BinaryIO, path: Path, name: str) -> Iterator[tuple[str, Document]]:
        offset = 0
        for number, raw in enumerate(file, start=1):
            line = _decoded(raw, path, offset)
            offset += len(raw)
            if line.strip():
                place = f"{path}:{number}"
                yield place, self._document(line, place, f"{name}:{number}")

    def _document(self, line: str, place: str, default_id: str) -> Document:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CorpusError(
                f"{place} is not valid JSON.", known=str(error), remedy="Each line must hold one JSON object."
            ) from error
        if not isinstance(row, dict):
            raise CorpusError(f"{place} holds no JSON object.", remedy="Each line must hold one JSON object.")
        config = self._config
        identifier = _whole(str(_value(row, config.id_field, "id_field", place))) if config.id_field else default_id
        if config.messages_field is not None:
            turns = _value(row, config.messages_field, "messages_field", place)
            return Document(identifier, "", _messages(turns, place))
        text = _value(row, config.text_field, "text_field", place)
        if not isinstance(text, str):
            raise CorpusError(f"{place}: the field {config.text_field!r} holds no text but {text!r:.60}.")
        return Document(identifier, _whole(text))


def _matching(given: str) -> list[Path]:
    """The files that a path or pattern names."""
    path = Path(given).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        raise CorpusError(f"{given} is a folder.", remedy=f"Name its files with a pattern: '{given.rstrip('/')}/*.txt'")
    found = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
    files = [match for match in found if match.is_file()]
    if not files:
        what = "No file matches" if glob.has_magic(given) else "There is no file"
        raise CorpusError(f"{what} {given}.", known=f"Paths are relative to {Path.cwd()}.")
    return files


def _parts(text: str, split_on: SplitOn) -> Iterator[tuple[int, str]]:
    """The lines or paragraphs of a text, each with the number of its first line."""
    lines = enumerate(text.split("\n"), start=1)
    if split_on is SplitOn.LINE:
        yield from lines
        return
    for _, paragraph in groupby(lines, key=lambda numbered: bool(numbered[1].strip())):
        numbers, contents = zip(*paragraph, strict=True)
        yield numbers[0], "\n".join(contents)


def _decoded(raw: bytes, path: Path, offset: int) -> str:
    """The text of `raw`, which begins at byte `offset` of the file, without a byte order mark."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path} is not UTF-8.",
            known=f"Byte {offset + error.start} is 0x{raw[error.start]:02x}, which cannot stand there.",
            remedy="Convert it, for example: iconv -f LATIN1 -t UTF-8",
        ) from error
    return text.removeprefix(_BOM) if offset == 0 else text


def _value(row: dict[str, Any], field: str, option: str, place: str) -> Any:
    if field not in row:
        raise CorpusError(
            f"{place} has no field {field!r}.",
            known=f"Its fields are {', '.join(map(repr, row)) or 'none'}.",
            remedy=f"Set corpus.{option} to one of them.",
        )
    return row[field]


def _messages(turns: Any, place: str) -> tuple[Message, ...]:
    try:
        messages = tuple(Message(turn["role"], turn["content"]) for turn in turns)
    except (TypeError, KeyError) as error:
        raise CorpusError(f'{place} holds no list of {{"role": ..., "content": ...}}.', known=f"{error!r}") from error
    for message in messages:
        if message.role not in _ROLES or not isinstance(message.content, str):
            raise CorpusError(
                f"{place} has a message of role {message.role!r} whose content is {message.content!r:.60}.",
                known=f"Roles are {', '.join(_ROLES)}; the content is text.",
            )
    return tuple(Message(message.role, _whole(message.content)) for message in messages)


def _whole(text: str) -> str:
    """The text with U+FFFD for halves of characters, which JSON's escapes can make and UTF-8 cannot hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
