"""Collects the problems of a configuration while it is read, and reports them together, with suggestions.

Never shows a value of the file: it may be a secret that stands where it should not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from bridge_mcp.core.errors import ConfigError

__all__ = ["TOLD", "Problems", "nearest"]

TOLD = "told"
"""The type of a validator's own error that says all itself: `what` is wrong, and the `fix`, in its context."""

SECRET_WORDS = ("token", "api_key", "key", "secret", "password", "bot_token")


Typed: TypeAlias = Callable[[list[int | str]], type[BaseModel] | None]
"""By the path of a section: its model, where that depends on what stands in it."""

SECTION = re.compile(r"^\s*\[\[?([^\[\]#]+)\]\]?\s*(?:#.*)?$")
KEY = re.compile(r"^\s*((?:\"[^\"]*\"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:\"[^\"]*\"|'[^']*'|[\w-]+))*)\s*=")
PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)")

EXAMPLES = {
    "list_type": 'Write it as a list: {key} = ["…"]',
    "string_type": 'Write it in quotes: {key} = "…"',
    "bool_type": "Write true or false, without quotes: {key} = true",
    "int_type": "Write a whole number, without quotes: {key} = 10",
    "int_from_float": "Write a whole number: {key} = 10",
    "float_type": "Write a number, without quotes: {key} = 10",
    "dict_type": 'Write it as a table: {key} = {{ NAME = "…" }}',
    "model_type": "Write it as a section of its own: [{key}]",
}
"""By pydantic's word for what is wrong with a value: how it is written."""


class Problems:
    """The mistakes found so far in one configuration."""

    def __init__(self, source: Path | None) -> None:
        self.source = source
        self._found: list[tuple[str, str]] = []
        self.left_out: set[str] = set()
        """Names of entries that could not be read: whoever speaks of them is not wrong."""

    def add(self, key: str, message: str, fix: str) -> None:
        """Note one mistake: `key` is the path of the key, `message` says what is wrong, `fix` is the next move."""
        self._found.append((f"{key}: {message}", fix))

    def add_shape(
        self, error: ValidationError, file: type[BaseModel], text: str = "", *, typed: Typed = lambda _: None
    ) -> None:
        """Record all errors of pydantic's; the line numbers come from the file's `text`.

        `typed` knows the models of the sections whose keys depend on what stands in them.
        """
        for detail in error.errors(include_input=False, include_url=False):
            path = [part for part in detail["loc"] if part != "[key]"]
            key = dotted(path) + line_of(text, path)
            if detail["type"] == "extra_forbidden":
                parent = typed(path[:-1])
                keys = list(parent.model_fields) if parent else keys_at(file, path[:-1])
                self.add(key, "there is no such key.", suggestion(str(path[-1]), keys))
            elif detail["type"] == TOLD:
                context = detail.get("ctx", {})
                self.add(key, str(context["what"]), str(context["fix"]))
            elif "[key]" in detail["loc"]:
                self.add(key, "this name cannot be used.", "Use letters, digits, '_' and '-'.")
            elif detail["type"] == "missing":
                self.add(key, "this key is missing.", f"Add it to [{dotted(path[:-1])}].")
            elif detail["type"] in EXAMPLES:
                self.add(key, f"{lower_first(detail['msg'])}.", example(detail["type"], str(path[-1])))
            else:
                self.add(key, f"{lower_first(detail['msg'])}.", "Change the value.")

    def add_unless_web(self, key: str, url: str | None) -> None:
        """Record a problem for an address that HTTP clients do not accept."""
        try:
            parts = urlsplit(url or "http://none")
            fine = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            fine = False
        if not fine:
            self.add(key, "this is not an http or https address.", 'Write it like "https://host/path".')

    def error(self, lacking: Mapping[str, str] | None = None) -> ConfigError | None:
        """Return all problems as one error; None if there are none.

        Secrets that are `lacking`, by key, stop nothing, and are told with the rest.
        """
        if not self._found:
            return None
        every = [*self._found, *((f"{key}: {problem}", "") for key, problem in (lacking or {}).items())]
        source = str(self.source) if self.source else "The environment"
        if len(every) == 1:
            message, fix = every[0]
            return ConfigError(f"{source}: {message}", fix=fix)
        lines = "".join(f"\n  {message} {fix}".rstrip() for message, fix in every)
        return ConfigError(f"{source} has {len(every)} problems:{lines}")


def line_of(text: str, path: list[int | str]) -> str:
    """` (line N)` of the key at this path, where it stands in a line of its own; else "", for nothing is guessed."""
    names = [str(part) for part in path if isinstance(part, str)]
    table: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if section := SECTION.match(line):
            table = parts(section[1])
            if table == names:
                return f" (line {number})"
        elif (match := KEY.match(line)) and table + parts(match[1]) == names:
            return f" (line {number})"
    return ""


def parts(key: str) -> list[str]:
    """A dotted key of TOML as its parts, without quotes."""
    return [quoted or literal or bare for quoted, literal, bare in PART.findall(key)]


def example(kind: str, key: str) -> str:
    """How a value of this kind is written."""
    return EXAMPLES[kind].format(key=key if not key.isdigit() else "key")


def nearest(word: str, candidates: Iterable[str], noun: str) -> str:
    """A sentence with the nearest known word, or with all of them; `noun` says what they are."""
    candidates = list(candidates)
    if close := get_close_matches(word, candidates, 1, 0.6):
        return f"Did you mean '{close[0]}'?"
    return f"The {noun} are: {', '.join(candidates)}." if candidates else f"There are no {noun} yet."


def suggestion(word: str, candidates: list[str]) -> str:
    """What to write instead of an unknown key."""
    if word in SECRET_WORDS:
        alternatives = ("system_prompt", "webhook")
        referring = [key for key in candidates if key.endswith(("_env", "_file")) and not key.startswith(alternatives)]
        if referring:
            return f"Secrets do not stand in this file: use {' or '.join(referring)}."
    return nearest(word, candidates, "keys here")


def keys_at(model: type[BaseModel], path: list[int | str]) -> list[str]:
    """The keys that the section at `path` may have."""
    position: Any = model
    for part in path:
        if isinstance(position, type) and issubclass(position, BaseModel):
            field = position.model_fields.get(str(part))
            position = field.annotation if field else None
        else:
            position = next((a for a in get_args(position) if is_model(a)), None)
        position = unwrap(position)
    return list(position.model_fields) if is_model(position) else []


def unwrap(annotation: Any) -> Any:
    """`X` of `X | None`; all else as it is."""
    options = [option for option in get_args(annotation) if option is not type(None)]
    return options[0] if type(None) in get_args(annotation) and len(options) == 1 else annotation


def is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def dotted(path: Iterable[int | str]) -> str:
    """A path as TOML writes it: parts with other characters are quoted."""
    return ".".join(
        part if part.replace("_", "").replace("-", "").isalnum() and part.isascii() else f'"{part}"'
        for part in map(str, path)
    )


def lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
