"""The bridge inside one's own program: no process, no protocol, the same logs, gates and turns.

    python -m examples.embedding

The program says something as a person would, looks at the call that waits, lets it run, and gets the reply.
"""

from __future__ import annotations

import sys

import anyio

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.service import OWNER, Bridge
from examples.sandbox import sandbox


async def decide_next(bridge: Bridge, ticket: str) -> None:
    """Let the drafts go and keep the rest, until the turn is over."""
    while (now := await bridge.wait_for(OWNER, ticket, timeout_s=0)).state == "open":
        for approval in await bridge.list_approvals(OWNER):
            if "draft-" in approval.arguments:
                await bridge.approve_call(OWNER, approval.id, digest=approval.digest)
            else:
                await bridge.reject_call(OWNER, approval.id, reason="only drafts")
            print(f"decided: {approval.tool} {approval.arguments}")
        if not now.approvals:
            await bridge.wait_for(OWNER, ticket, timeout_s=0.2)


async def main() -> int:
    with sandbox() as box:
        config = load_config(box.config, env=box.environment)
        async with open_bridge(config) as assembly:
            bridge = assembly.bridge
            message = await bridge.say(OWNER, "local/main", "Please tidy up the folder.")
            ticket = f"turn:{message}"
            await decide_next(bridge, ticket)
            done = await bridge.wait_for(OWNER, ticket)
            print(f"assistant: {done.text}")
            status = await bridge.get_conversation(OWNER, "local/main")
            print(f"messages: {status.conversation.messages}, waiting: {len(status.waiting)}")
        left = sorted(path.name for path in box.files.iterdir())
        return 0 if done.outcome == "replied" and left == ["letter.txt", "taxes.txt"] else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
