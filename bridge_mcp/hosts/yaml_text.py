"""YAML files that people and programs share, changed line by line: what is not ours stays as it is, byte for byte.

PyYAML tells where each value stands; new values are written as JSON, which YAML is a superset of. Whoever makes a
change reads the result again, and holds it to what was meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.json_reader import JSON

__all__ = ["with_entry", "with_values", "without_entry"]

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9]*-[A-Za-z0-9-]*[a-z]|bridge")
"""Names that no reader of YAML takes for anything else than a text."""


class Container:
    """What holds the servers of a file: an object, or a list of objects with names."""

    def __init__(self, text: str, key: str) -> None:
        self.text = text
        self.line = "\r\n" if "\r\n" in text else "\n"
        loader: Any = yaml
        root = loader.compose(text, Loader=yaml.SafeLoader)
        if root is not None and not isinstance(root, yaml.MappingNode):
            raise BadInput("It is no object.")
        member = next(((name, value) for name, value in root.value if name.value == key), None) if root else None
        self.key: Any = member[0] if member else None
        self.node: Any = member[1] if member else None

    def entry(self, name: str) -> tuple[int, Any] | None:
        """Where the entry of a server begins (its key, or its dash), and what it says."""
        if isinstance(self.node, yaml.MappingNode):
            pairs: list[tuple[Any, Any]] = self.node.value
            return next(((key.start_mark.index, value) for key, value in pairs if key.value == name), None)
        if isinstance(self.node, yaml.SequenceNode):
            items: list[Any] = self.node.value
            return next(((self.dash(item), item) for item in items if named(item) == name), None)
        return None

    def dash(self, item: Any) -> int:
        """Where the dash of an item is."""
        return self.text.rindex("-", 0, int(item.start_mark.index))

    def column(self) -> int:
        """By how much the entries are indented."""
        first: Any = self.node.value[0]
        at = self.dash(first) if isinstance(self.node, yaml.SequenceNode) else first[0].start_mark.index
        return at - line_start(self.text, at)


def with_entry(text: str, key: str, name: str, values: Mapping[str, JSON], *, listed: bool) -> str:
    """The text with one more server, behind the others.

    Raises:
        BadInput: what stands there is neither empty nor in lines of its own.
    """
    container = Container(text, key)
    if container.key is None:
        start = text if not text or text.endswith("\n") else f"{text}{container.line}"
        return f"{start}{key}:{container.line}{entry_lines(container, name, values, column=2, listed=listed)}"
    empty = not container.node.value or container.node.tag.endswith(":null")
    if empty:
        above = text[: container.key.end_mark.index] + ":"
        following = text[max(container.node.end_mark.index, len(above)) :]
        comment, newline, below = following.partition("\n")
        column = container.key.start_mark.column + 2
        lines = entry_lines(container, name, values, column=column, listed=listed)
        return f"{above}{comment.rstrip()}{newline or container.line}{lines}{below}"
    if container.node.flow_style:
        raise BadInput(f"'{key}' stands in one line in it.")
    at = end_of(text, container.node)
    start = "" if text[:at].endswith("\n") else container.line
    return (
        text[:at] + start + entry_lines(container, name, values, column=container.column(), listed=listed) + text[at:]
    )


def entry_lines(container: Container, name: str, values: Mapping[str, JSON], *, column: int, listed: bool) -> str:
    """A server in lines of its own."""
    word = name if PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    first = f"- name: {word}" if listed else f"{word}:"
    inner = " " * (column + 2)
    lines = [" " * column + first, *(f"{inner}{key}: {written(value)}" for key, value in values.items())]
    return "".join(line + container.line for line in lines)


def written(value: JSON) -> str:
    """A value in one line."""
    return json.dumps(value, ensure_ascii=False)


def with_values(text: str, key: str, name: str, values: Mapping[str, JSON]) -> str:
    """The text with these values in the entry of a server that is there.

    Raises:
        BadInput: that entry is not in lines of its own.
    """
    for member, value in values.items():
        container = Container(text, key)
        entry = container.entry(name)
        if entry is None or not isinstance(entry[1], yaml.MappingNode) or entry[1].flow_style:
            raise BadInput(f"'{name}' stands in one line in it.")
        pairs: list[tuple[Any, Any]] = entry[1].value
        existing = next(((name_node, value_node) for name_node, value_node in pairs if name_node.value == member), None)
        if existing is None:
            at = end_of(text, entry[1])
            start = "" if text[:at].endswith("\n") else container.line
            column = pairs[0][0].start_mark.column
            text = f"{text[:at]}{start}{' ' * column}{member}: {written(value)}{container.line}{text[at:]}"
        else:
            colon = text.index(":", existing[0].end_mark.index) + 1
            text = f"{text[:colon]} {written(value)}{text[last_of(existing[1], colon) :]}"
    return text


def without_entry(text: str, key: str, name: str) -> str:
    """The text without the entry of a server; without what held it, where it was the only one."""
    container = Container(text, key)
    entry = container.entry(name)
    if entry is None:
        return text
    start = container.key.start_mark.index if len(container.node.value) == 1 else entry[0]
    if container.node.flow_style and len(container.node.value) > 1:
        raise BadInput(f"'{key}' stands in one line in it.")
    return text[: line_start(text, start)] + text[end_of(text, entry[1]) :]


def named(item: Any) -> str:
    """The name that an item of a list gives itself."""
    pairs: list[tuple[Any, Any]] = item.value if isinstance(item, yaml.MappingNode) else []
    return next((str(value.value) for key, value in pairs if key.value == "name"), "")


def line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def last_of(node: Any, least: int) -> int:
    """Where the last character of a value is, without the comments behind it."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return max(int(node.end_mark.index), least)
    inner: Any = node.value[-1]
    return last_of(inner[1] if isinstance(node, yaml.MappingNode) else inner, least)


def end_of(text: str, node: Any) -> int:
    """Where the line behind a value begins."""
    at = last_of(node, 0)
    if text[:at].endswith("\n"):  # a text of several lines ends with its last one
        return at
    newline = text.find("\n", at)
    return len(text) if newline < 0 else newline + 1
