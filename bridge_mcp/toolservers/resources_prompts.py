"""A server's resources and prompts, under the owner's allow-lists, as results for a model.

Their contents are read on demand, and nothing of them is cached. They are untrusted, and become the result of a call,
never a prompt of its own.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from mcp import ClientSession, MCPError
from mcp_types import (
    METHOD_NOT_FOUND,
    PaginatedRequestParams,
    PaginatedResult,
    Prompt,
    PromptReference,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    TextContent,
)
from msgspec.structs import replace
from pydantic import BaseModel

from bridge_mcp.core.tools import JSON, ToolResult, canonical
from bridge_mcp.ports import Files
from bridge_mcp.toolservers.connection import Completion, RequestRefused
from bridge_mcp.toolservers.results import MAX_TEXT, ResultFiles, result_of, too_deep
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.tolerant_results import RAW_RESULT

__all__ = [
    "complete_prompt",
    "complete_template",
    "get_prompt",
    "offered_prompts",
    "offered_resources",
    "page_at",
    "raw_text",
    "read_resource",
]

T = TypeVar("T")
P = TypeVar("P", bound=PaginatedResult)

MAX_LISTED = 500
"""Entries of a list that a model is shown, and that clients are."""
MAX_OFFERED = 200_000
"""Characters of the entries of a list that clients are shown."""


async def read_resource(session: ClientSession, server: ToolServer, files: Files | None, uri: str) -> ToolResult:
    """The contents of one resource; with an empty `uri`, the resources that may be read.

    Raises:
        RequestRefused: the owner does not allow it.
    """
    if not uri:
        return await list_resources(session, server)
    if not server.allows_resource(uri):
        raise RequestRefused(f"the resource '{uri[:200]}' is not among its allowed_resources")
    answer = await session.read_resource(uri)
    keeping = ResultFiles(files)
    parts = [await keeping.resource(content) for content in answer.contents]
    result = await result_of([TextContent(text="\n".join(parts))], files)
    return with_raw(result, keeping, answer)


async def list_resources(session: ClientSession, server: ToolServer) -> ToolResult:
    """The resources that may be read, and the server's URI templates."""
    resources: list[JSON] = [
        entry(uri=str(each.uri), name=each.title or each.name, about=each.description)
        for each in await allowed_resources(session, server)
    ]
    templates: list[JSON] = [
        entry(uri_template=each.uri_template, name=each.title or each.name, about=each.description)
        for each in await allowed_templates(session, server)
    ]
    return as_list({"resources": resources, "templates": templates})


async def offered_resources(session: ClientSession, server: ToolServer) -> str:
    """The resources and templates that may be read, as the server lists them, as canonical JSON."""
    resources = bounded_entries(await allowed_resources(session, server))
    return canonical(
        {"resources": resources, "resourceTemplates": bounded_entries(await allowed_templates(session, server))}
    )


async def offered_prompts(session: ClientSession, server: ToolServer) -> str:
    """The prompts that may be used, as the server lists them, as canonical JSON."""
    return canonical({"prompts": bounded_entries(await allowed_prompts(session, server))})


async def allowed_resources(session: ClientSession, server: ToolServer) -> list[Resource]:
    """The resources that the owner allows, up to `MAX_LISTED`."""
    return await first_items(
        lambda cursor: session.list_resources(params=page_at(cursor)),
        lambda page: [each for each in page.resources if server.allows_resource(str(each.uri))],
    )


async def first_items(
    list_page: Callable[[str | None], Awaitable[P]], allowed_in: Callable[[P], Sequence[T]]
) -> list[T]:
    """The allowed items of all pages of a list, up to `MAX_LISTED`."""
    items: list[T] = []
    cursor: str | None = None
    for _ in range(MAX_LISTED):
        page = await list_page(cursor)
        items += allowed_in(page)
        cursor = page.next_cursor
        if not cursor or len(items) >= MAX_LISTED:
            break
    return items[:MAX_LISTED]


async def allowed_templates(session: ClientSession, server: ToolServer) -> list[ResourceTemplate]:
    """The URI templates that the owner allows; none if the server does not know the request, as many do not."""
    try:
        templates = (await session.list_resource_templates()).resource_templates
    except MCPError as exc:
        if exc.code != METHOD_NOT_FOUND:
            raise
        return []
    return [each for each in templates if server.allows_resource(each.uri_template)][:MAX_LISTED]


async def complete_template(session: ClientSession, server: ToolServer, uri: str, complete: Completion) -> ToolResult:
    """What may stand in a place of a URI template.

    Raises:
        RequestRefused: the owner does not allow it.
    """
    if not server.allows_resource(uri):
        raise RequestRefused(f"the template '{uri[:200]}' is not among its allowed_resources")
    return await completed(session, ResourceTemplateReference(type="ref/resource", uri=uri), complete)


async def complete_prompt(session: ClientSession, server: ToolServer, name: str, complete: Completion) -> ToolResult:
    """What an argument of a prompt may be.

    Raises:
        RequestRefused: the owner does not allow it.
    """
    if not server.allows_prompt(name):
        raise RequestRefused(f"the prompt '{name[:200]}' is not among its allowed_prompts")
    return await completed(session, PromptReference(type="ref/prompt", name=name), complete)


async def completed(
    session: ClientSession, reference: PromptReference | ResourceTemplateReference, complete: Completion
) -> ToolResult:
    """A server's completion, as a list for a model."""
    argument = {"name": complete.argument, "value": complete.value}
    answer = await session.complete(reference, argument, dict(complete.known) or None)
    return replace(as_list({"values": list[JSON](answer.completion.values)}), raw=raw_text(as_sent(answer)))


async def get_prompt(
    session: ClientSession, server: ToolServer, files: Files | None, name: str, arguments: Mapping[str, str]
) -> ToolResult:
    """One prompt, filled in; with an empty name, the prompts that may be used.

    Raises:
        RequestRefused: the owner does not allow it.
    """
    if not name:
        return await list_prompts(session, server)
    if not server.allows_prompt(name):
        raise RequestRefused(f"the prompt '{name[:200]}' is not among its allowed_prompts")
    answer = await session.get_prompt(name, dict(arguments))
    keeping = ResultFiles(files)
    parts = [f"{message.role}: {await keeping.as_text(message.content)}" for message in answer.messages]
    result = await result_of([TextContent(text="\n".join(parts))], files)
    return with_raw(result, keeping, answer)


async def list_prompts(session: ClientSession, server: ToolServer) -> ToolResult:
    """The prompts that may be used, with their arguments."""
    prompts: list[JSON] = []
    for prompt in await allowed_prompts(session, server):
        arguments: list[JSON] = [
            entry(name=each.name, about=each.description, required=bool(each.required))
            for each in prompt.arguments or ()
        ]
        prompts.append(entry(name=prompt.name, about=prompt.description or prompt.title, arguments=arguments))
    return as_list({"prompts": prompts})


async def allowed_prompts(session: ClientSession, server: ToolServer) -> list[Prompt]:
    """The prompts that the owner allows, up to `MAX_LISTED`."""
    return await first_items(
        lambda cursor: session.list_prompts(params=page_at(cursor)),
        lambda page: [each for each in page.prompts if server.allows_prompt(each.name)],
    )


def page_at(cursor: str | None) -> PaginatedRequestParams | None:
    """The parameters of a list's next page."""
    return None if cursor is None else PaginatedRequestParams(cursor=cursor)


def entry(**fields: JSON) -> JSON:
    """One entry of a list, without empty fields."""
    return {name: value for name, value in fields.items() if value is not None and value != []}


def as_list(body: dict[str, JSON]) -> ToolResult:
    text = canonical(body)
    return ToolResult(text, structured=text)


def as_sent(answer: BaseModel) -> dict[str, Any]:
    """A value of the protocol as its server sent it, but for fields that are null."""
    return answer.model_dump(mode="json", by_alias=True, exclude_none=True)


def bounded_entries(entries: Sequence[BaseModel]) -> list[JSON]:
    """Entries of a list as their server lists them, each once, up to `MAX_OFFERED` characters."""
    offered: list[JSON] = []
    size = 0
    for each in entries:
        value = as_sent(each)
        text = json.dumps(value)
        size += len(text)
        if size > MAX_OFFERED:
            break
        if not too_deep(text) and value not in offered:
            offered.append(value)
    return offered


def with_raw(result: ToolResult, keeping: ResultFiles, answer: BaseModel) -> ToolResult:
    """A result for a model, and beside it what the server sent."""
    attachments = (*keeping.kept, *result.attachments)
    return ToolResult(result.text, attachments=attachments, truncated=result.truncated, raw=raw_text(as_sent(answer)))


def raw_text(result: Mapping[str, Any]) -> str:
    """A result as JSON text, for a client that is to get it as it is; "" where a log has no room for it."""
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return ""
    return "" if len(text) > MAX_TEXT or RAW_RESULT in text or too_deep(text) else text
