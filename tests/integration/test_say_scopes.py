"""What is said on a local channel by somebody with few scopes: its commands can do no more than they."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from bridge_mcp.testing import FakeModel, FakeToolbox, calls
from tests.integration.setup import OWNER, world


async def test_a_verdict_that_is_said_needs_the_scope_of_who_says_it(tmp_path: Path) -> None:
    toolbox = FakeToolbox()

    @toolbox.tool("files__delete")
    async def delete(arguments: object) -> str:  # pyright: ignore[reportUnusedFunction]
        return "gone"

    async with world(tmp_path, FakeModel([calls(("files__delete", {}))]), toolbox) as here:
        await here.say("delete it")
        (waiting,) = await here.approvals()
        chatting = replace(OWNER, scopes=frozenset({"read", "send"}), via="console")
        await here.bridge.say(chatting, "local/main", f"/approve {waiting.id}")
        assert "scope 'approve'" in (await here.texts())[-1]
        (still,) = await here.bridge.list_approvals(OWNER)
        assert still.status == "waiting"
