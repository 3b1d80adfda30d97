"""The part of the reference about the MCP tools: their scopes, arguments and answers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import get_args

from bridge_mcp import ports
from bridge_mcp.core import call_history, events, grants, projections, results
from bridge_mcp.reference.schema_words import item
from bridge_mcp.reference.sentences import field_sentences
from bridge_mcp.server.tools import answers, approval_answers, bridge_answers, status_answers
from bridge_mcp.server.tools.answers import Answer
from bridge_mcp.server.tools.registry import TOOLS
from bridge_mcp.server.tools.tool import Tool

__all__ = ["tools"]

KEPT_IN = (results, call_history, projections, events, grants, ports)
"""Where the values are that answers are read from."""

HEAD = """\
A client sees the tools of its scopes. Every answer is an object, as text and, where no images or files stand beside it,
as structured content too. Times are ISO 8601 in UTC. Fields marked as optional are left out where they say nothing.
"""


def tools() -> str:
    """Tool by tool, and then the objects that they answer."""
    first: dict[type[Answer], str] = {}
    for each in TOOLS:
        first.setdefault(answered(each), each.name)
    told = [tool(each, first[answered(each)]) for each in TOOLS]
    inner = {name: cls for whole in first for name, cls in parts(whole).items() if cls not in first}
    return "\n".join([HEAD, *told, "### Objects in answers\n", *(fields(each) for each in inner.values())])


def tool(each: Tool, like: str) -> str:
    """One tool: what it does, takes and answers. `like` is the first tool that answers the same."""
    schema = each.params.schema
    required = schema.get("required", [])
    arguments = [
        item(name, property_schema, property_schema.get("description", ""), note="required" if name in required else "")
        for name, property_schema in schema["properties"].items()
    ]
    answer = answered(each)
    answers = [f"Answers `{answer.__name__}`:", "", *described(answer)]
    return "\n".join(
        [
            f"### `{each.name}`",
            "",
            f"Scope `{each.scope}`. {each.description}",
            "",
            traits(each),
            "",
            "Arguments:" if arguments else "It takes no arguments.",
            "",
            *arguments,
            *([""] if arguments else []),
            *(answers if like == each.name else [f"Answers `{answer.__name__}`, as `{like}` does."]),
            "",
        ]
    )


def traits(each: Tool) -> str:
    """What its annotations say, in words."""
    if each.read_only:
        return "It only reads."
    words = [
        "It can overwrite or undo something." if each.destructive else "It changes something, and overwrites nothing.",
        "Called again with the same arguments it changes nothing more." if each.idempotent else "",
        "It reaches beyond the bridge." if each.open_world else "",
    ]
    return " ".join(word for word in words if word)


def answered(each: Tool) -> type[Answer]:
    """The model of a tool's answer."""
    returned = inspect.signature(each.run).return_annotation
    return next(cls for cls in (get_args(returned) or (returned,)) if issubclass(cls, Answer))


def described(cls: type[Answer]) -> Iterable[str]:
    """The fields of an answer, a line each."""
    schema = cls.model_json_schema(mode="serialization", by_alias=True)
    sentences = as_kept(cls) | field_sentences(cls)
    named = {field.serialization_alias or field.alias or name: name for name, field in cls.model_fields.items()}
    for name, value in schema["properties"].items():
        yield item(name, value, sentences.get(named[name], ""), note="optional" if "default" in value else "")


def as_kept(cls: type[Answer]) -> dict[str, str]:
    """What the core says of the fields of the value that an answer is read from: the one of the same name.

    The core keeps JSON as text and times as seconds, which answers give as they are.
    """
    names = (cls.__name__, f"{cls.__name__}Info", f"{cls.__name__}Record")
    known = next((getattr(room, name) for room in KEPT_IN for name in names if hasattr(room, name)), None)
    sentences = field_sentences(known) if isinstance(known, type) else {}
    plain = {field: re.sub(r",? as JSON text|\s*\(epoch seconds[^)]*\)", "", text) for field, text in sentences.items()}
    return {field: text for field, text in plain.items() if not text.startswith("Epoch seconds")}


def parts(cls: type[Answer]) -> dict[str, type[Answer]]:
    """The models that stand within an answer, by their names."""
    names = cls.model_json_schema(mode="serialization").get("$defs", {})
    rooms = (answers, approval_answers, bridge_answers, status_answers)
    return {name: next(getattr(room, name) for room in rooms if hasattr(room, name)) for name in names}


def fields(cls: type[Answer]) -> str:
    """An object that stands in answers."""
    return "\n".join([f"`{cls.__name__}`:", "", *described(cls), ""])
