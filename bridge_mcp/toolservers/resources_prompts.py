"""A server's resources and prompts, under the owner's allow-lists, as results for a model.

Nothing is cached: they are listed and read on demand. Their content is untrusted, and becomes the result of a call,
never a prompt of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from fastmcp import Client
from mcp import MCPError
from mcp_types import METHOD_NOT_FOUND, PromptMessage, ResourceTemplate, TextContent

from bridge_mcp.core.tools import JSON, ToolResult, canonical
from bridge_mcp.ports import Files
from bridge_mcp.toolservers.connection import Refused
from bridge_mcp.toolservers.results import Keeping, result_of
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["Look", "get_prompt", "read_resource"]

Look: TypeAlias = Callable[[], Awaitable[ToolResult]]
AnyClient: TypeAlias = Client[Any]

MAX_LISTED = 500
"""Entries of a list that a model is shown."""


async def read_resource(client: AnyClient, server: ToolServer, files: Files | None, uri: str) -> ToolResult:
    """The contents of one resource; with an empty `uri`, the resources that may be read.

    Raises:
        Refused: the owner does not allow it.
    """
    if not uri:
        return await list_resources(client, server)
    if not server.allows_resource(uri):
        raise Refused(f"the resource '{uri[:200]}' is not among its allowed_resources")
    answer = await client.read_resource_mcp(uri)
    keeping = Keeping(files)
    parts = [await keeping.resource(held) for held in answer.contents]
    made = await result_of([TextContent(text="\n".join(parts))], files)
    return ToolResult(made.text, attachments=(*keeping.kept, *made.attachments), truncated=made.truncated)


async def list_resources(client: AnyClient, server: ToolServer) -> ToolResult:
    """The resources that may be read, and the server's URI templates."""
    found: list[JSON] = []
    cursor: str | None = None
    for _ in range(MAX_LISTED):
        page = await client.list_resources_mcp(cursor=cursor)
        found += [
            entry(uri=str(each.uri), name=each.title or each.name, about=each.description)
            for each in page.resources
            if server.allows_resource(str(each.uri))
        ]
        cursor = page.next_cursor
        if not cursor or len(found) >= MAX_LISTED:
            break
    templates: list[JSON] = [
        entry(uri_template=each.uri_template, name=each.title or each.name, about=each.description)
        for each in await templates_of(client)
        if server.allows_resource(each.uri_template)
    ]
    return as_list({"resources": found[:MAX_LISTED], "templates": templates[:MAX_LISTED]})


async def templates_of(client: AnyClient) -> list[ResourceTemplate]:
    """A server's URI templates; none if it does not know the request, as many do not."""
    try:
        return (await client.list_resource_templates_mcp()).resource_templates
    except MCPError as exc:
        if exc.code != METHOD_NOT_FOUND:
            raise
        return []


async def get_prompt(
    client: AnyClient, server: ToolServer, files: Files | None, name: str, arguments: Mapping[str, str]
) -> ToolResult:
    """One prompt, filled in; with an empty name, the prompts that may be used.

    Raises:
        Refused: the owner does not allow it.
    """
    if not name:
        return await list_prompts(client, server)
    if not server.allows_prompt(name):
        raise Refused(f"the prompt '{name[:200]}' is not among its allowed_prompts")
    answer = await client.get_prompt_mcp(name, dict(arguments))
    keeping = Keeping(files)
    parts = [await as_text(message, keeping) for message in answer.messages]
    made = await result_of([TextContent(text="\n".join(parts))], files)
    return ToolResult(made.text, attachments=(*keeping.kept, *made.attachments), truncated=made.truncated)


async def as_text(message: PromptMessage, keeping: Keeping) -> str:
    return f"{message.role}: {await keeping.as_text(message.content)}"


async def list_prompts(client: AnyClient, server: ToolServer) -> ToolResult:
    """The prompts that may be used, with their arguments."""
    found: list[JSON] = []
    cursor: str | None = None
    for _ in range(MAX_LISTED):
        page = await client.list_prompts_mcp(cursor=cursor)
        for each in page.prompts:
            if server.allows_prompt(each.name):
                wants: list[JSON] = [
                    entry(name=want.name, about=want.description, required=bool(want.required))
                    for want in each.arguments or ()
                ]
                found.append(entry(name=each.name, about=each.description or each.title, arguments=wants))
        cursor = page.next_cursor
        if not cursor or len(found) >= MAX_LISTED:
            break
    return as_list({"prompts": found[:MAX_LISTED]})


def entry(**fields: JSON) -> JSON:
    """One entry of a list, without empty fields."""
    return {name: value for name, value in fields.items() if value is not None and value != []}


def as_list(body: dict[str, JSON]) -> ToolResult:
    text = canonical(body)
    return ToolResult(text, structured=text)
