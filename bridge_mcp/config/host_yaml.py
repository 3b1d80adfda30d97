"""Reads the YAML of a host's settings file (Goose, Continue, LibreChat): JSON's values, and nothing else.

Texts are what YAML 1.2 takes for texts: `yes`, `0123` and a date are none of a truth, a number and a date. Anchors with
aliases and tags are refused, since a few lines of them stand for millions of values or for objects of a program.
"""

from __future__ import annotations

import re
from typing import Any, cast

import yaml

from bridge_mcp.core.errors import BadInput

__all__ = ["read_yaml"]

MAX_CHARS = 60_000
"""Characters; settings are shorter, and reading takes some 20 to 40 s for a million."""
DEEPEST = 40
WORDS = "tag:yaml.org,2002:"


def read_yaml(text: str) -> object:
    """The one value in a text: null, a truth, a whole number, a text, a list, or an object whose keys are texts.

    Raises:
        BadInput: this is no YAML, or holds what no settings need: aliases, tags, several documents, too much.
    """
    if len(text) > MAX_CHARS:
        raise refused(f"it is longer than {MAX_CHARS:,} characters")
    try:
        return cast("object", Settings(text).get_single_data())
    except yaml.MarkedYAMLError as exc:
        line = f"line {exc.problem_mark.line + 1}: " if exc.problem_mark else ""
        raise refused(f"{line}{str(exc.problem)[:200]}") from None
    except (yaml.YAMLError, ValueError) as exc:
        raise refused(str(exc).splitlines()[0][:200]) from None


def refused(reason: str) -> BadInput:
    return BadInput(f"This YAML is not read: {reason}.", fix="Pass the settings file of an MCP host, or a part of it.")


class Settings(yaml.SafeLoader):
    """The safe loader, with fewer types of values and a maximum depth."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - filled below, for this class alone
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        loader: Any = super()
        event: Any = loader.peek_event()
        line = event.start_mark.line + 1
        if event.__class__ is yaml.AliasEvent:
            raise refused(f"line {line}: it refers to another place by an alias")
        if getattr(event, "tag", None) not in (None, "!", f"{WORDS}str"):
            raise refused(f"line {line}: it holds a tag")
        self.depth += 1
        if self.depth > DEEPEST:
            raise refused(f"it is more than {DEEPEST} levels deep")
        node: yaml.Node | None = loader.compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object_with_texts(self, node: yaml.MappingNode) -> dict[str, object]:
        """An object whose keys are texts, as they stand there."""
        loader: Any = self
        members: dict[str, object] = {}
        for key, value in cast("list[tuple[Any, yaml.Node]]", node.value):
            if not isinstance(key, yaml.ScalarNode):
                raise refused(f"line {key.start_mark.line + 1}: a key is a list or an object")
            members[str(cast("Any", key).value)] = loader.construct_object(value, deep=True)
        return members


def set_up(kind: Any) -> None:
    """Register the scalars that are not strings."""
    kind.add_constructor(f"{WORDS}map", kind.construct_object_with_texts)
    for name, pattern, first in (
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"-?(?:0|[1-9][0-9]{0,17})", list("-0123456789")),
    ):
        kind.add_implicit_resolver(f"{WORDS}{name}", re.compile(rf"^(?:{pattern})$"), first)


set_up(Settings)
