"""Configurations of the corpora."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from neurogloss.errors import ConfigError


@dataclass
class BundledConfig:
    """The documents that come with the package."""

    registers: list[str] | None = None
    """Read only these, such as `[news, recipes]`; all if null."""


@dataclass
class SyntheticCorpusConfig:
    """Generated documents in which every unit of the synthetic subject fires."""

    n_documents: int = 1400
    """How many; with the default, every unit that can fire does so in at least 20 documents of each split."""
    seed: int = 0
    """Of what they say."""
    puzzles: str | None = None
    """A file of puzzles, whose sentences become the documents; nothing is generated then."""

    def check(self) -> None:
        """Refuses a number of documents below 1.

        Raises:
            ConfigError: Names the field.
        """
        if self.n_documents < 1:
            raise ConfigError(f"n_documents is {self.n_documents}.", remedy="Give at least 1.")


class SplitOn(Enum):
    """Where a text file is cut into documents."""

    NONE = "none"
    """Nowhere: each file is one document."""
    BLANK_LINE = "blank_line"
    """At blank lines: each paragraph is one document."""
    LINE = "line"
    """At line ends: each line is one document."""


@dataclass
class FilesConfig:
    """Text files, and JSON Lines (`.jsonl`, `.json`: one object per line)."""

    paths: list[str] = field(default_factory=list)
    """Files and patterns such as `texts/**/*.txt`; `~` is the home folder. UTF-8."""
    split_on: SplitOn = SplitOn.NONE
    """Where text files are cut into documents; JSON Lines have one per line."""
    text_field: str = "text"
    """The field of a JSON object that holds the text."""
    messages_field: str | None = None
    """The field that holds a conversation, `[{"role": ..., "content": ...}]`; it replaces `text_field`."""
    id_field: str | None = None
    """The field that holds the document's id; if null, the id is the file's name and line."""

    def check(self) -> None:
        """Refuses an empty list of paths.

        Raises:
            ConfigError: Names the field.
        """
        if not self.paths:
            raise ConfigError("paths is empty.", remedy="Give at least one file or pattern: corpus.paths=[texts/*.txt]")
