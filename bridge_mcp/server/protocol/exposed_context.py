"""Resources and prompts of exposed servers among a client's own, under names that nothing else can have.

A resource of the server `files` is its URI behind `bridge://servers/files/`, so is a URI template; a prompt is
`files__name`. What a server has is what the engine last published of it, under the owner's `allowed_resources` and
`allowed_prompts`. Reading one is a call of the tool that the bridge makes for it (`files__read_resource`): the same
rules, approvals and limits, and the result is the server's own. One that waits for a verdict is held as long as hosts
hold requests. Updates of single resources are not passed on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import mcp_types as types
from mcp.server.context import ServerRequestContext

from bridge_mcp.core.errors import NotFound, TooEarly, ToolFailed
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.results import Ticket
from bridge_mcp.core.tools import GET_PROMPT, JSON, READ_RESOURCE, ToolSpec, tool_names
from bridge_mcp.server.protocol.elicitation import Elicitation
from bridge_mcp.server.protocol.exposed import ExposedTools
from bridge_mcp.service import Bridge

__all__ = ["SERVERS", "ExposedContext"]

SERVERS = "bridge://servers/"
"""How the URIs of nested resources begin; the server's name and its own URI follow."""
OWN = "bridge://"
RUN_S = 20.0
"""How long a call may take to run, or until somebody is asked about it."""
HOLD_S = 30.0
"""How long one that waits is held then: hosts cut requests near 60 seconds."""

Context: TypeAlias = ServerRequestContext[Any, Any]
Body: TypeAlias = dict[str, Any]


class ExposedContext:
    """What a client gets of exposed servers beside tools. Each method answers None for what is not of such a server."""

    def __init__(self, bridge: Bridge, exposed: ExposedTools, elicitation: Elicitation) -> None:
        self._bridge = bridge
        self._exposed = exposed
        self._elicitation = elicitation

    # -- lists ------------------------------------------------------------------------------------------------

    async def resources(self, who: Principal) -> list[Body]:
        """For `resources/list`."""
        return [
            {**each, "uri": uri_in(spec, each["uri"])}
            for spec, each in named_entries(await self._exposed.specs(who), "resources", "uri")
        ]

    async def templates(self, who: Principal) -> list[Body]:
        """For `resources/templates/list`."""
        return [
            {**each, "uriTemplate": uri_in(spec, each["uriTemplate"])}
            for spec, each in named_entries(await self._exposed.specs(who), "resourceTemplates", "uriTemplate")
        ]

    async def prompts(self, who: Principal) -> list[Body]:
        """For `prompts/list`."""
        return [{**each, "name": name} for name, (_, each) in (await self._prompts(who)).items()]

    async def _prompts(self, who: Principal) -> dict[str, tuple[ToolSpec, Body]]:
        """The prompts by their names here."""
        entries = named_entries(await self._exposed.specs(who), "prompts", "name")
        names = tool_names((spec.server, each["name"]) for spec, each in entries)
        return {names[spec.server, each["name"]]: (spec, each) for spec, each in entries}

    # -- one of them ------------------------------------------------------------------------------------------

    async def read(self, ctx: Context, who: Principal, params: types.ReadResourceRequestParams) -> Body | None:
        """For `resources/read`: the server's own result. Its URIs are named as this one was asked for."""
        resource = await self._resource(who, params.uri)
        if resource is None:
            return None
        spec, uri = resource
        result = await self._call(ctx, who, params, spec, {"uri": uri})
        if uri != params.uri and "contents" in result:
            result["contents"] = [with_uri_in(spec, each) for each in result["contents"]]
        return result

    async def get_prompt(self, ctx: Context, who: Principal, params: types.GetPromptRequestParams) -> Body | None:
        """For `prompts/get`: the server's own result."""
        entry = (await self._prompts(who)).get(params.name)
        if entry is None:
            return None
        spec, prompt = entry
        return await self._call(
            ctx, who, params, spec, {"name": prompt["name"], "arguments": dict(params.arguments or {})}
        )

    async def complete(self, ctx: Context, who: Principal, params: types.CompleteRequestParams) -> Body | None:
        """For `completion/complete`: the server's own result."""
        arguments = (params.context.arguments if params.context else None) or {}
        completion: dict[str, JSON] = {
            "argument": params.argument.name,
            "value": params.argument.value,
            "known": dict(arguments),
        }
        if isinstance(params.ref, types.PromptReference):
            prompt = (await self._prompts(who)).get(params.ref.name)
            target = (prompt[0], {"name": prompt[1]["name"]}) if prompt else None
        else:
            template = await self._resource(who, params.ref.uri)
            target = (template[0], {"uri": template[1]}) if template else None
        return await self._call(ctx, who, None, target[0], {**target[1], "complete": completion}) if target else None

    async def _resource(self, who: Principal, uri: str) -> tuple[ToolSpec, str] | None:
        """The server of a resource, by the tool that reads it, and its own URI for it.

        A server's results name its resources by its own URIs. They are taken where only one server can be meant.
        """
        readers = [spec for spec in await self._exposed.specs(who) if spec.gives and spec.tool == READ_RESOURCE]
        for spec in readers:
            if uri.startswith(begin := uri_in(spec, "")):
                return spec, uri.removeprefix(begin)
        if uri.startswith(OWN) or not readers:
            return None
        if len(readers) > 1:
            raise NotFound(
                f"'{uri[:80]}' may be a resource of {', '.join(spec.server for spec in readers[:8])}.",
                fix=f"Say which: {uri_in(readers[0], uri)[:200]}",
            )
        return readers[0], uri

    async def _call(
        self,
        ctx: Context,
        who: Principal,
        params: types.InputResponseRequestParams | None,
        spec: ToolSpec,
        arguments: Mapping[str, JSON],
    ) -> Body:
        """Call the tool that gives it; the server's result, or a question to the person at the client.

        Raises:
            TooEarly: it waits for a verdict.
            ToolFailed: there is none to be had.
        """
        ask = params is not None
        if params is not None and params.request_state is not None:
            ticket, ask = await self._elicitation.resumed(who, params)
        else:
            ticket = await self._bridge.call_tool(who, spec.name, arguments, wait_s=RUN_S, verbatim=True)
        if ticket.state == "open" and ticket.approvals and ask and self._elicitation.wanted(ctx, who):
            outcome = await self._elicitation.ask(ctx, who, ticket.id)
            if not isinstance(outcome, Ticket):
                return outcome
            ticket = outcome
        if ticket.state == "open":  # nothing else that a client of resources knows could be given
            ticket = await self._bridge.follow(who, ticket.id, wait_s=HOLD_S, for_people=True)
        return nested_body(ticket, spec)


def nested_body(ticket: Ticket, spec: ToolSpec) -> Body:
    """The body of a server's result.

    Raises:
        TooEarly, ToolFailed: as above.
    """
    if ticket.state == "open":
        why = f"waits for approval: {', '.join(ticket.approvals)}" if ticket.approvals else "is still running"
        raise TooEarly(f"{spec.name} {why}.", fix=f"Pass the ticket {ticket.id} to wait_for: its text is the result.")
    if ticket.outcome != "ok":
        raise ToolFailed(ticket.text)
    if not ticket.raw:
        raise ToolFailed(
            f"What {spec.server} gives is too long to be passed on here.",
            fix=f"Call {spec.name}: what is too long for its text is in its files.",
        )
    result = json.loads(ticket.raw)
    return {name: value for name, value in result.items() if name != "resultType"}


def uri_in(spec: ToolSpec, uri: str) -> str:
    """A URI, or a template, of a server as clients of the bridge know it."""
    return f"{SERVERS}{spec.server}/{uri}"


def with_uri_in(spec: ToolSpec, content: Body) -> Body:
    """A part of a resource's contents, with the URI as clients of the bridge know it."""
    return {**content, "uri": uri_in(spec, content["uri"])} if isinstance(content.get("uri"), str) else content


def named_entries(specs: Iterable[ToolSpec], kind: str, name_field: str) -> list[tuple[ToolSpec, Body]]:
    """The entries of one kind that these tools give, each with its tool and with its own name as a text."""
    tool = GET_PROMPT if kind == "prompts" else READ_RESOURCE
    entries_of_tools: list[tuple[ToolSpec, Body]] = []
    for spec in specs:
        if spec.gives and spec.tool == tool:
            entries: list[Body] = json.loads(spec.gives).get(kind, [])
            entries_of_tools += [(spec, each) for each in entries if isinstance(each.get(name_field), str)]
    return entries_of_tools
