"""The Tasks extension of MCP: a client that declares it gets a task instead of an open ticket.

https://github.com/modelcontextprotocol/ext-tasks (SEP-2663), identified as `io.modelcontextprotocol/tasks`, for
protocol versions from 2026-07-28 on. A task is a ticket under another name: its state is read from the log, so it
outlives every process, and `tasks/get` returns in the end what the tool would have returned. Tasks ask their client for
nothing (`tasks/update` has nothing to deliver): approvals are decided by others.
"""

from __future__ import annotations

from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from bridge_mcp.core.policy import Principal
from bridge_mcp.core.results import Ticket
from bridge_mcp.server.protocol.request_context import declared_extension
from bridge_mcp.server.protocol.signed_handles import HandleSigner
from bridge_mcp.server.tools.answers import instant
from bridge_mcp.server.tools.tool import Tool
from bridge_mcp.service import Bridge

__all__ = [
    "EXPOSED",
    "EXTENSION",
    "SHOWING",
    "TaskParams",
    "Tasks",
    "UpdateParams",
    "becomes_task",
    "declares_tasks",
    "undeclared_error",
]

EXTENSION = "io.modelcontextprotocol/tasks"

SHOWING, EXPOSED = "~files", "~own"
"""The suffixes of the id of a task whose result shall include its files, and of one whose result is to be its nested
server's own. No ticket ends so."""

POLL_MS = 1_000
"""The advised interval between polls."""


class TaskParams(types.RequestParams):
    """Parameters of `tasks/get` and `tasks/cancel`."""

    task_id: str = Field(alias="taskId")


class UpdateParams(TaskParams):
    """Parameters of `tasks/update`."""

    input_responses: dict[str, Any] = Field(alias="inputResponses")


def declares_tasks(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client declares the extension in this request."""
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and declared_extension(ctx, EXTENSION) is not None


def becomes_task(tool: Tool, who: Principal) -> bool:
    """Whether an open ticket of this tool becomes a task.

    Not a turn of a client that may approve: the turn may wait for this client's own verdict, so it keeps the ticket.
    """
    return not (tool.name == "run_turn" and "approve" in who.scopes)


class Tasks:
    """Tickets as tasks. A task's id is the signed handle of its ticket."""

    def __init__(self, bridge: Bridge, signer: HandleSigner) -> None:
        self._bridge = bridge
        self._signer = signer

    async def created(self, who: Principal, ticket: str, *, show_files: bool, exposed: bool = False) -> dict[str, Any]:
        """A new task for an open ticket. Its result: `show_files`, with files as content; `exposed`, the nested one."""
        current = await self._bridge.follow(who, ticket)
        suffix = EXPOSED if exposed else SHOWING if show_files else ""
        sealed = await self._signer.sealed(who, f"{ticket}{suffix}")
        return {"resultType": "task", **task_body(sealed, current)}

    async def get(self, who: Principal, params: TaskParams) -> tuple[dict[str, Any], Ticket, str]:
        """A task without its result; its ticket; and what its result is to be: `SHOWING`, `EXPOSED`, or "".

        Raises:
            NotFound: `who` has no such task.
        """
        opened = await self._signer.opened(who, params.task_id)
        ticket, suffix = split_task_id(opened)
        current = await self._bridge.follow(who, ticket)
        return task_body(params.task_id, current), current, suffix

    async def update(self, who: Principal, params: UpdateParams) -> None:
        """Ignore answers: no task asks for any, and the extension says to ignore unknown ones."""
        await self._bridge.follow(who, await self._ticket(who, params))

    async def cancel(self, who: Principal, params: TaskParams) -> None:
        """Cancel a task, as far as that is possible."""
        await self._bridge.cancel(who, await self._ticket(who, params))

    async def _ticket(self, who: Principal, params: TaskParams) -> str:
        return split_task_id(await self._signer.opened(who, params.task_id))[0]


def split_task_id(opened: str) -> tuple[str, str]:
    """A task's ticket, and its suffix."""
    suffix = next((each for each in (SHOWING, EXPOSED) if opened.endswith(each)), "")
    return opened.removesuffix(suffix), suffix


def task_body(task_id: str, ticket: Ticket) -> dict[str, Any]:
    """A task without its result."""
    status = status_of(ticket)
    message = status_message(ticket)
    return {
        "taskId": task_id,
        "status": status,
        **({"statusMessage": message} if message else {}),
        "createdAt": instant(ticket.since),
        "lastUpdatedAt": instant(ticket.changed),
        "ttlMs": None,
        "pollIntervalMs": POLL_MS,
    }


def status_of(ticket: Ticket) -> str:
    if ticket.state == "open":
        return "working"
    withdrawn = ticket.outcome in ("cancelled", "cleared") or (ticket.kind == "call" and ticket.outcome == "stopped")
    return "cancelled" if withdrawn else "completed"


def status_message(ticket: Ticket) -> str:
    """The `statusMessage`, for a person."""
    if ticket.approvals:
        return f"Waits for a verdict on {', '.join(ticket.approvals)}."
    if ticket.state == "open":
        return "Waits for an answer." if ticket.kind == "question" else ""
    return ticket.text if status_of(ticket) == "cancelled" else ""


def undeclared_error() -> MCPError:
    """The error for a request about tasks from a client that does not declare the extension."""
    needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
    return MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "Missing required client capability", needed)
