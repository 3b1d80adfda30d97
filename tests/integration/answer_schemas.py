"""Holds what the tools answer to the schemas of their answers, with no field beside those that a schema names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from jsonschema_rs import Validator, validator_for

from bridge_mcp.server.tools.answers import FetchedFile
from bridge_mcp.server.tools.approval_answers import Ticket
from bridge_mcp.server.tools.json_schema import lean_schema
from bridge_mcp.server.tools.registry import TOOLS

__all__ = ["check_answer"]

UNTOLD = {"fetch_attachment": FetchedFile, "wait_for": Ticket, "call_tool": Ticket}
"""What tools answer whose answer may have no structured content."""


def check_answer(tool: str, structured: object) -> None:
    """Fail where this is not what the tool says that it answers."""
    wrong = [
        f"{'/'.join(map(str, each.instance_path))}: {each.message}" for each in schema_of(tool).iter_errors(structured)
    ]
    assert wrong == [], f"{tool} answered what its schema does not have"


@cache
def schema_of(tool: str) -> Validator:
    model = next(each.answer for each in TOOLS if each.name == tool) or UNTOLD[tool]
    return validator_for(closed(lean_schema(model, "serialization")))


def closed(schema: Any) -> Any:
    """The schema with every object held to the properties that it names."""
    if isinstance(schema, list):
        return [closed(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, Mapping):
        return schema
    found = {name: closed(each) for name, each in cast("Mapping[str, Any]", schema).items()}
    return found | {"additionalProperties": False} if isinstance(found.get("properties"), dict) else found
