"""A supervising agent: it watches over the assistant's tool calls and decides on them, with no human near.

    python examples/supervising_agent.py

It connects to a bridge as an MCP client, follows the event feed, and gives a verdict on every call that waits: drafts
may be deleted, nothing else. It knows the bridge by its tools alone; the rules are in `verdict` below.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client

from examples.sandbox import answer, sandbox


def verdict(tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
    """Whether a call may run, and why."""
    path = str(arguments.get("path", ""))
    if tool == "files__delete_file" and Path(path).name.startswith("draft-"):
        return True, "drafts may go"
    return False, f"{path or tool} is not mine to give away"


async def decide_all(client: Client) -> None:
    """Give a verdict on everything that waits now."""
    waiting = answer(await client.call_tool("list_approvals", {}))["approvals"]
    for approval in waiting:
        allowed, why = verdict(approval["tool"], approval["arguments"])
        print(f"  {'approve' if allowed else 'reject '} {approval['tool']} {approval['arguments']}: {why}")
        if allowed:
            # The digest binds the verdict to the very call that was looked at.
            given = {"approval_id": approval["id"], "digest": approval["digest"], "note": why}
            answer(await client.call_tool("approve_call", given))
        else:
            answer(await client.call_tool("reject_call", {"approval_id": approval["id"], "reason": why}))


async def supervise(client: Client, until: anyio.Event) -> None:
    """Follow the feed. The consumer's cursor is stored in the bridge: a restarted supervisor goes on where it was."""
    cursor = None
    while not until.is_set():
        asked = {"consumer": "supervisor", "types": ["approval.requested"], "timeout_s": 2}
        page = answer(await client.call_tool("wait_for_events", asked | ({"after": cursor} if cursor else {})))
        cursor = page["cursor"]
        if page["events"]:
            await decide_all(client)


async def ask(client: Client, text: str) -> str:
    """Have the assistant take a turn; its reply, once it is there."""
    print(f"chat: {text}")
    ticket = answer(await client.call_tool("run_turn", {"conversation": "local/main", "text": text}))
    while ticket["state"] == "open":
        ticket = answer(await client.call_tool("wait_for", {"ticket": ticket["id"], "timeout_s": 20}))
    return ticket["text"]


async def main() -> int:
    with sandbox() as box:
        async with box.connect("--scopes", "read,send,approve") as client, anyio.create_task_group() as tasks:
            done = anyio.Event()
            tasks.start_soon(supervise, client, done)
            print(f"assistant: {await ask(client, 'Please tidy up the folder.')}")
            done.set()
        left = sorted(path.name for path in box.files.iterdir())
        print(f"left in the folder: {', '.join(left)}")
        return 0 if left == ["letter.txt", "taxes.txt"] else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
