"""Tools that the bridge makes for a server's resources and prompts, so that models can use them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bridge_mcp.core.tools import GET_PROMPT, JSON, READ_RESOURCE, canonical
from bridge_mcp.toolservers.connection import Completion, ListedTool, ServerPrimitives

__all__ = ["GET_PROMPT", "READ_RESOURCE", "completion", "generated", "texts"]

RESOURCE_WORDS = (
    "Read a resource of this server by its uri. Without a uri: a list of the resources there are. With the uri of a "
    "template, and `complete`: what may stand in one of its places."
)
PROMPT_WORDS = (
    "Get a prompt of this server by its name. Without a name: a list of the prompts there are. With `complete`: what "
    "one of its arguments may be."
)
TEXT: JSON = {"type": "string"}
TEXTS: JSON = {"type": "object", "additionalProperties": {"type": "string"}}
COMPLETE: JSON = {
    "type": "object",
    "properties": {"argument": TEXT, "value": TEXT, "known": TEXTS},
    "required": ["argument", "value"],
    "additionalProperties": False,
}
"""Which argument, how it begins, and the arguments that are known already (MCP: `completion/complete`)."""


def generated(offered: ServerPrimitives, names_in_use: Collection[str]) -> list[ListedTool]:
    """One tool for resources and one for prompts, if there are any, unless the server's own tool has the name."""
    tools: list[ListedTool] = []
    if offered.resources and READ_RESOURCE not in names_in_use:
        tools.append(read_only_tool(READ_RESOURCE, RESOURCE_WORDS, {"uri": TEXT, "complete": COMPLETE}))
    if offered.prompts and GET_PROMPT not in names_in_use:
        tools.append(read_only_tool(GET_PROMPT, PROMPT_WORDS, {"name": TEXT, "arguments": TEXTS, "complete": COMPLETE}))
    return tools


def read_only_tool(name: str, description: str, properties: Mapping[str, JSON]) -> ListedTool:
    """A read-only tool."""
    schema: JSON = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return ListedTool(
        name, description, canonical(schema), read_only=True, destructive=False, idempotent=True, open_world=True
    )


def texts(arguments: JSON) -> dict[str, str]:
    """Arguments of a prompt, all of which are texts."""
    return {name: str(value) for name, value in arguments.items()} if isinstance(arguments, dict) else {}


def completion(arguments: Mapping[str, JSON]) -> Completion | None:
    """What a call of a generated tool wants completed; None if it wants the resource or prompt itself."""
    request = arguments.get("complete")
    if not isinstance(request, dict):
        return None
    return Completion(str(request.get("argument") or ""), str(request.get("value") or ""), texts(request.get("known")))
