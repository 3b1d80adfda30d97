"""The part of the reference about bridge.toml: every section and key, with its type, its limits and its default."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from bridge_mcp.channels.plug import Chat
from bridge_mcp.channels.registry import BUILT_IN, plug
from bridge_mcp.config import schema
from bridge_mcp.reference.schema_words import item
from bridge_mcp.reference.sentences import field_sentences

__all__ = ["config"]

HEAD = """\
NAME is a name of yours; PATTERN is the name of a tool, or a pattern with `*`. Paths are relative to the file. Secrets
never stand in it: a key `…_env` names a variable that holds one, a key `…_file` a file.
"""

VARIABLES = {
    "BRIDGE_MCP_CONFIG": "The configuration file, where `--config` names none.",
    "BRIDGE_MCP_STATE_DIR": "The state folder: the store, kept files, the outbox.",
    "BRIDGE_MCP_MODEL": "Stands for `[models.default]` with this `model`, where the file has none.",
    "BRIDGE_MCP_LOG": "What goes to standard error: debug, info, warning or error, where `--log-level` says nothing.",
}
"""The variables that are read by themselves."""


def config() -> str:
    """Section by section, key by key."""
    known = VARIABLES | {
        "`, `".join(each.variables.values()): f"Adds a channel `{name}` with this bot, where the file names no channel."
        for name, each in BUILT_IN.items()
        if each.variables
    }
    variables = "\n".join(f"- `{name}`: {words}" for name, words in known.items())
    return "\n".join([HEAD, *(section(cls) for cls in sections()), f"### Variables\n\n{variables}"])


def sections() -> list[type[BaseModel]]:
    """The sections that a file may have: in the order of the file's own keys, each before those within it."""
    classes: list[type[BaseModel]] = [
        each
        for each in vars(schema).values()
        if isinstance(each, type) and issubclass(each, schema.Section) and each not in (schema.Section, schema.File)
    ]
    classes += [known for name in BUILT_IN if (known := plug(name).type.settings).model_fields]
    tops = list(schema.File.model_fields)
    return sorted([*classes, Chat], key=lambda cls: (tops.index(re.split(r"\W", name_of(cls))[1]), len(name_of(cls))))


def name_of(cls: type[BaseModel]) -> str:
    """A section as it stands in a file, brackets included, with its type where its keys depend on that."""
    return (cls.__doc__ or "").partition(": ")[0]


def section(cls: type[BaseModel]) -> str:
    """One section: its name, what it is for, and its keys."""
    heading = re.sub(r"\[[^\]]*\]", lambda found: f"`{found[0]}`", name_of(cls))
    about = (cls.__doc__ or "").partition(": ")[2]
    schema_of, sentences = cls.model_json_schema(), field_sentences(cls)
    required = schema_of.get("required", [])
    keys = [
        item(name, written(key_schema), sentences.get(name, ""), note="required" if name in required else "")
        for name, key_schema in schema_of["properties"].items()
    ]
    return "\n".join([f"### {heading}", "", about[:1].upper() + about[1:], "", *keys, ""])


def written(key_schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A key's schema as a file can have it: TOML has tables, and no null."""
    if "$ref" in json.dumps(key_schema):
        return {"type": "table"}
    alternatives = [each for each in key_schema.get("anyOf", ()) if each.get("type") != "null"]
    return alternatives[0] if alternatives else key_schema
