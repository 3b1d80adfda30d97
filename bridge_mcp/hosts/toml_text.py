"""TOML files that people and programs share, changed in place: new tables at the end, old ones taken out whole.

Whoever makes a change reads the result again, and holds it to what was meant.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import tomlkit
import tomlkit.exceptions

from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.json_reader import JSON

__all__ = ["blocks_of", "read_toml", "with_table", "with_values", "without_table"]

HEADER = re.compile(r"^[ \t]*\[.*$", re.MULTILINE)
"""A line that begins a table of TOML, or a list of them."""


def read_toml(text: str) -> dict[str, Any]:
    """What a settings file says.

    Raises:
        BadInput: it is no TOML.
    """
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise BadInput(f"It is no TOML: {exc}.") from None


def with_table(text: str, path: Sequence[str], values: Mapping[str, JSON]) -> str:
    """The text with one more table at its end."""
    line = "\r\n" if "\r\n" in text else "\n"
    table: dict[str, Any] = {name: inline(value) for name, value in values.items()}
    for name in reversed(path):
        table = {name: table}
    start = text.rstrip("\r\n")
    between = line * 2 if start.strip("\ufeff") else ""
    added = tomlkit.dumps(table).replace("\n", line)  # pyright: ignore[reportUnknownMemberType]
    return start + between + added


def with_values(text: str, path: Sequence[str], values: Mapping[str, JSON]) -> str:
    """The text with these values in a table that is there.

    Raises:
        BadInput: it cannot be changed in place.
    """
    try:
        document = tomlkit.parse(text)
        table = cast("Any", document)
        for name in path:
            table = table[name]
        for name, value in values.items():
            table[name] = inline(value)
        return tomlkit.dumps(document)  # pyright: ignore[reportUnknownMemberType]
    except (tomlkit.exceptions.TOMLKitError, TypeError) as exc:
        raise BadInput(f"It cannot be changed in place: {exc}") from None


def inline(value: JSON) -> Any:
    """A value as TOML Kit takes it; an object in one line."""
    if not isinstance(value, dict):
        return value
    table: Any = tomlkit.inline_table()
    table.update(value)
    return table


def without_table(text: str, path: Sequence[str]) -> str:
    """The text without a table, those below it, and the comments right above its header."""
    blocks = blocks_of(text)
    remaining = "".join(block for block in blocks if not holds_only(block, path))
    line = "\r\n" if "\r\n" in text else "\n"
    last = holds_only(blocks[-1], path) and remaining.endswith(line * 2)
    return remaining.removesuffix(line) if last else remaining


def holds_only(block: str, path: Sequence[str]) -> bool:
    """Whether a piece of a TOML text says something of this table, and of nothing else."""
    try:
        parsed: Any = tomllib.loads(block)
    except tomllib.TOMLDecodeError:
        return False
    for name in path:
        if not isinstance(parsed, dict) or set(cast("dict[str, Any]", parsed)) != {name}:
            return False
        parsed = cast("dict[str, Any]", parsed)[name]
    return isinstance(parsed, dict)


def blocks_of(text: str, inner: re.Pattern[str] | None = None) -> list[str]:
    """A TOML text in pieces, one for each header, less those that are `inner`; comments go with what is below them."""
    starts = [0]
    for match in HEADER.finditer(text):
        if not (inner and inner.match(match.group()) and len(starts) > 1):
            above = text[starts[-1] : match.start()]
            starts.append(match.start() - (len(above) - len(without_comments_at_the_end(above))))
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def without_comments_at_the_end(text: str) -> str:
    """The text up to the last line that is more than a comment, with the empty lines behind it."""
    lines = text.splitlines(keepends=True)
    while lines and lines[-1].lstrip().startswith("#"):
        lines.pop()
    return "".join(lines)
