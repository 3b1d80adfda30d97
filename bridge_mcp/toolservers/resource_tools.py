"""Tools that the bridge makes for a server's resources and prompts, so that models can use them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bridge_mcp.core.tools import JSON, canonical
from bridge_mcp.toolservers.connection import ListedTool, Offered

__all__ = ["GET_PROMPT", "READ_RESOURCE", "generated"]

READ_RESOURCE = "read_resource"
GET_PROMPT = "get_prompt"

RESOURCE_WORDS = "Read a resource of this server by its uri. Without a uri: a list of the resources there are."
PROMPT_WORDS = "Get a prompt of this server by its name. Without a name: a list of the prompts there are."
TEXT: JSON = {"type": "string"}
TEXTS: JSON = {"type": "object", "additionalProperties": {"type": "string"}}


def generated(offered: Offered, taken: Collection[str]) -> list[ListedTool]:
    """One tool for resources and one for prompts, if there are any, unless the server's own tool has the name."""
    found: list[ListedTool] = []
    if offered.resources:
        found.append(reading(READ_RESOURCE, RESOURCE_WORDS, {"uri": TEXT}))
    if offered.prompts:
        found.append(reading(GET_PROMPT, PROMPT_WORDS, {"name": TEXT, "arguments": TEXTS}))
    return [tool for tool in found if tool.name not in taken]


def reading(name: str, description: str, properties: Mapping[str, JSON]) -> ListedTool:
    """A read-only tool."""
    schema: JSON = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return ListedTool(
        name, description, canonical(schema), read_only=True, destructive=False, idempotent=True, open_world=True
    )
