"""Templates to conversations.

A template is Jinja; `{% call system() %} ... {% endcall %}`, `user` and `assistant` each add a turn.
Turns are calls and never marks in the text, so no text from a corpus can open one. A last turn of
the assistant's is the opening of the reply. What a template may use is what the built-in template
of the same name uses. Macros come from `showing.jinja`, which any template may import.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from jinja2 import FunctionLoader, StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.meta import find_referenced_templates, find_undeclared_variables
from jinja2.sandbox import SandboxedEnvironment

from neurogloss.builtin.prompts.examples import EXAMPLES_TEXT, as_json
from neurogloss.errors import ConfigError
from neurogloss.records.documents import Message, Role


def _builtin(name: str) -> str | None:
    file = resources.files(__package__) / name
    return file.read_text(encoding="utf-8") if file.is_file() else None


_ENVIRONMENT = SandboxedEnvironment(
    loader=FunctionLoader(_builtin),
    undefined=StrictUndefined,
    autoescape=False,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=False,
)
_ENVIRONMENT.filters["json"] = as_json
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def shown(text: str) -> str:
    r"""The text on one line: line ends, tabs and control characters become `\n`, `\t`, `\x07`, ..."""
    if text.isprintable():
        return text
    return "".join(
        _ESCAPES.get(c) or ascii(c)[1:-1] if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text
    )


@dataclass(frozen=True)
class Conversation:
    """A rendered prompt."""

    messages: tuple[Message, ...]
    opening: str = ""
    """How the reply begins: the template's last turn, where that is the assistant's."""

    @property
    def plain(self) -> str:
        """The messages as one text, for models that continue text."""
        return "\n\n".join(message.content for message in self.messages)


class Prompt:
    """A template, ready to be rendered.

    Args:
        name: The built-in template, such as `logprob`.
        path: A file to take in its place.

    Raises:
        ConfigError: The file is missing, is no template, or uses unknown variables; with its line.
    """

    def __init__(self, name: str, path: str | None = None) -> None:
        builtin = (resources.files(__package__) / f"{name}.jinja").read_text(encoding="utf-8")
        self._file = path or f"{name}.jinja"
        source = builtin if path is None else _read(path)
        try:
            tree = _ENVIRONMENT.parse(source)
            code = _ENVIRONMENT.compile(source, filename=self._file)
        except TemplateSyntaxError as error:
            raise self._error(error.lineno, str(error.message)) from error
        known = find_undeclared_variables(_ENVIRONMENT.parse(builtin)) | set(get_args(Role))
        for unknown in sorted(find_undeclared_variables(tree) - known):
            line = next((n.lineno for n in tree.find_all(nodes.Name) if n.name == unknown), 1)
            raise self._error(line, f"unknown variable {unknown!r}", f"Known are: {', '.join(sorted(known))}.")
        hashed = source + EXAMPLES_TEXT + "".join(map(self._imported, find_referenced_templates(tree)))
        self.prompt_hash = hashlib.sha256(hashed.encode()).hexdigest()
        """SHA-256 of the template, of what it imports, and of the few-shot examples."""
        self._template = Template.from_code(_ENVIRONMENT, code, {})

    def render(self, **variables: Any) -> Conversation:
        """The conversation with these values of the template's variables.

        Raises:
            ConfigError: The template cannot be rendered, has no turn, or has text outside the turns.
        """
        messages: list[Message] = []

        def turn(role: Role) -> Callable[..., str]:
            def add(caller: Callable[[], str]) -> str:
                messages.append(Message(role, caller().strip("\n")))
                return ""

            return add

        try:
            outside = self._template.render(**variables, **{role: turn(role) for role in get_args(Role)})
        except Exception as error:  # a template is its author's program, and may fail in any way
            raise self._error(self._line_of(error), str(error)) from error
        if outside.strip() or not messages:
            fault = f"text outside the turns: {outside.strip()[:40]!r}" if outside.strip() else "no turn"
            raise self._error(1, fault, "Every text stands in {% call system() %}, user() or assistant().")
        if messages[-1].role == "assistant":
            return Conversation(tuple(messages[:-1]), messages[-1].content)
        return Conversation(tuple(messages))

    def _imported(self, name: str | None) -> str:
        text = _builtin(name) if name else None
        if text is None:
            raise self._error(1, f"it imports {name!r}, which is not there", "showing.jinja can be imported.")
        return text

    def _line_of(self, error: Exception) -> int:
        line, trace = 1, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._file:
                line = trace.tb_lineno
            trace = trace.tb_next
        return line

    def _error(self, line: int, fault: str, known: str = "") -> ConfigError:
        return ConfigError(f"Prompt {self._file}, line {line}: {fault}.", known=known, remedy="Correct the template.")


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The prompt file {path} cannot be read.", known=str(error), remedy="Set prompt to a template, or to null."
        ) from error
