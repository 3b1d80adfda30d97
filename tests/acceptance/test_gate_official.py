"""The servers of the MCP project, driven directly and through `bridge-mcp gate`: a host sees no difference.

With no call to be asked about, what a host gets through the gate is what it gets without it: lists, results, errors,
progress, what the server asks of it, in the older era and in the newer one where the server speaks it.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport
from mcp import MCPError
from mcp_types import LoggingMessageNotificationParams

from bridge_mcp.toolservers.settings import ToolServer
from tests.acceptance.parts import COMMAND, Home
from tests.integration.test_nested_official import pages
from tests.servers import official

Era: TypeAlias = Literal["legacy", "auto"]
Driven: TypeAlias = Callable[[Client[Any]], Awaitable[list[Any]]]

NOTHING_ASKS = """
[approvals.tools."gate:*"]
confirmation = "never"
"""


def plain(value: Any) -> Any:
    """What an answer holds, as JSON has it."""
    return value.model_dump(mode="json", by_alias=True) if hasattr(value, "model_dump") else value


async def tried(answer: Awaitable[Any]) -> Any:
    """An answer, or the protocol error in its place."""
    try:
        return plain(await answer)
    except MCPError as exc:
        return ["error", exc.code, exc.message]


async def called(client: Client[Any], tool: str, **arguments: Any) -> list[Any]:
    """The result of a call, with the progress that was told before it."""
    told: list[Any] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append([progress, total, message])

    return [tool, await tried(client.call_tool_mcp(tool, arguments, progress_handler=hear)), told]


async def listed(client: Client[Any]) -> list[Any]:
    """Everything that a host reads of a server before it uses it."""
    has = client.server_capabilities
    found = [plain(has), client.instructions, client.protocol_version, plain(await client.list_tools_mcp())]
    if has and has.resources:
        found += [plain(await client.list_resources_mcp()), plain(await client.list_resource_templates_mcp())]
    if has and has.prompts:
        found.append(plain(await client.list_prompts_mcp()))
    return found


async def drive(server: ToolServer, era: Era, home: Home | None, work: Driven) -> list[Any]:
    """Connect as a host does, and give what it sees; with a home, through a gate."""
    heard: list[Any] = []

    async def log(message: LoggingMessageNotificationParams) -> None:
        heard.append([message.level, plain(message.data)])

    async def sample(messages: Any, params: Any, context: Any) -> str:
        heard.append(["sampling", [plain(each) for each in messages]])
        return "a sampled text"

    async def elicit(message: str, kind: Any, params: Any, context: Any) -> ElicitResult[Any]:
        heard.append(["elicitation", message])
        return ElicitResult(action="decline")

    command, env = [server.command, *server.args], {**os.environ, **server.env}
    if home is not None:
        command, env = [COMMAND, "gate", "--", *command], {**os.environ, **home.environment(), **server.env}
    client = Client(
        StdioTransport(command[0], command[1:], env=env, keep_alive=False),
        mode=era,
        log_handler=log,
        sampling_handler=sample,
        elicitation_handler=elicit,
        roots=["file:///somewhere"],
    )
    async with client:
        return [await listed(client), await work(client), sorted(heard, key=str)]


async def compared(server: ToolServer, era: Era, home: Home, work: Driven) -> list[Any]:
    """What a host sees directly, once it is known that it sees the same through a gate."""
    direct, gated = await asyncio.gather(drive(server, era, None, work), drive(server, era, home, work))
    assert gated == direct
    return direct


@pytest.fixture
def quiet(home: Home) -> Home:
    home.write(NOTHING_ASKS)
    return home


eras = pytest.mark.parametrize("era", ["legacy", "auto"])


@eras
async def test_the_time_server(quiet: Home, era: Era) -> None:
    async def work(client: Client[Any]) -> list[Any]:
        noon = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        return [
            await called(client, "convert_time", **noon),
            await called(client, "convert_time", **{**noon, "source_timezone": "Mars"}),
            await called(client, "convert_time", time="12:00"),
        ]

    _, answers, _ = await compared(official.time(), era, quiet, work)
    assert "T21:00:00" in str(answers)


async def test_the_git_server(quiet: Home, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "a.txt").write_text("one\n")

    async def work(client: Client[Any]) -> list[Any]:
        where = str(repository)
        return [
            await called(client, "git_status", repo_path=where),
            await called(client, "git_log", repo_path=where),
            await called(client, "git_diff_unstaged", repo_path="/nowhere"),
        ]

    _, answers, _ = await compared(official.git(repository), "auto", quiet, work)
    assert "a.txt" in str(answers)


async def test_the_fetch_server(quiet: Home) -> None:
    with pages() as site:

        async def work(client: Client[Any]) -> list[Any]:
            return [
                await called(client, "fetch", url=f"{site}/tides"),
                await called(client, "fetch", url=f"{site}/private/diary"),
                await tried(client.get_prompt_mcp("fetch", {"url": f"{site}/tides"})),
            ]

        _, answers, _ = await compared(official.fetch(), "auto", quiet, work)
        assert "High at four" in str(answers)


async def test_the_filesystem_server(quiet: Home, tmp_path: Path) -> None:
    root = tmp_path / "notes"
    root.mkdir()
    (root / "a.txt").write_text("A note.")

    async def work(client: Client[Any]) -> list[Any]:
        return [
            await called(client, "read_text_file", path=str(root / "a.txt")),
            await called(client, "write_file", path=str(root / "b.txt"), content="B"),
            await called(client, "list_directory", path=str(root)),
            await called(client, "read_text_file", path="/etc/passwd"),
        ]

    _, answers, _ = await compared(official.filesystem(root), "legacy", quiet, work)
    assert "A note." in str(answers)


@eras
async def test_server_everything(quiet: Home, era: Era) -> None:
    async def work(client: Client[Any]) -> list[Any]:
        resources = (await client.list_resources_mcp()).resources
        found = [
            await called(client, "echo", message="héllo"),
            await called(client, "get-sum", a=2, b=3),
            await called(client, "get-sum", a="x"),
            await called(client, "get-tiny-image"),
            await called(client, "get-structured-content", location="Chicago"),
            await called(client, "get-annotated-message", messageType="error", includeImage=True),
            await called(client, "trigger-long-running-operation", duration=0.4, steps=4),
            await tried(client.read_resource_mcp(str(resources[0].uri))),
            await tried(client.get_prompt_mcp("simple-prompt", {})),
            await tried(client.get_prompt_mcp("no-such-prompt", {})),
        ]
        return [timeless(each) for each in found]

    _, answers, _ = await compared(official.everything(), era, quiet, work)
    assert "Echo: héllo" in str(answers)
    assert len(next(each for each in answers if each[0] == "trigger-long-running-operation")[2]) == 4


def timeless(answer: Any) -> Any:
    """An answer without the time of day that it tells."""
    return [re.sub(r"\d{1,2}:\d\d:\d\d( [AP]M)?", "TIME", each) if isinstance(each, str) else each for each in answer]
