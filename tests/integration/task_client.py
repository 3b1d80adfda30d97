"""A client's side of the Tasks extension, on the published client: https://github.com/modelcontextprotocol/ext-tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

import mcp_types as types
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.session import ClientSession
from pydantic import Field

from tests.integration.face_clients import WAIT_S

__all__ = ["Created", "Task", "TaskClient", "about", "begin", "ended", "got"]


class Task(types.Result):
    """A task, as both `tools/call` and `tasks/get` answer it."""

    task_id: str = Field(alias="taskId")
    status: Literal["working", "input_required", "completed", "failed", "cancelled"]
    status_message: str = Field(alias="statusMessage", default="")
    created_at: str = Field(alias="createdAt")
    last_updated_at: str = Field(alias="lastUpdatedAt")
    ttl_ms: int | None = Field(alias="ttlMs")
    poll_interval_ms: int = Field(alias="pollIntervalMs")
    result: dict[str, Any] | None = None


class Created(Task):
    result_type: Literal["task"] = Field(alias="resultType")


class Done(types.Result):
    result_type: Literal["complete"] = Field(alias="resultType")


class TaskParams(types.RequestParams):
    task_id: str = Field(serialization_alias="taskId")
    input_responses: dict[str, Any] | None = Field(serialization_alias="inputResponses", default=None)


class About(types.Request[TaskParams, str]):
    """A request about one task, routed by its id."""

    name_param = "taskId"
    method: str
    params: TaskParams


async def about(session: ClientSession, method: str, task: str, **more: Any) -> None:
    async with asyncio.timeout(WAIT_S):
        await session.send_request(About(method=f"tasks/{method}", params=TaskParams(task_id=task, **more)), Done)


async def got(client: Client, task: str) -> Task:
    async with asyncio.timeout(WAIT_S):
        asked = About(method="tasks/get", params=TaskParams(task_id=task))
        return await client.session.send_request(asked, Task)


async def ended(client: Client, task: str) -> Task:
    while True:
        found = await got(client, task)
        if found.status != "working":
            return found
        await asyncio.sleep(0.02)


class TaskClient(ClientExtension):
    """Polls a task to its end, so that a call answers as any other does."""

    identifier = "io.modelcontextprotocol/tasks"

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return (ResultClaim(result_type="task", model=Created, resolve=self.resolve),)

    async def resolve(self, created: Created, ctx: ClaimContext) -> types.CallToolResult:
        while True:
            asked = About(method="tasks/get", params=TaskParams(task_id=created.task_id))
            found = await ctx.session.send_request(asked, Task)
            if found.status != "working":
                return types.CallToolResult.model_validate(found.result)
            await asyncio.sleep(0.02)


async def begin(client: Client, tool: str, arguments: dict[str, Any]) -> Created:
    """Call a tool; the task that it becomes."""
    found = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(found, Created)
    return found
