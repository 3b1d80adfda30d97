"""A supervising agent: it watches over the assistant's tool calls and decides on them, with no human near.

    python examples/supervising_agent.py

It connects to a bridge as an MCP client, follows the event feed, and gives a verdict on every call that waits, or none:
reading in the folder is fine, what is in doubt is left to the people of the chat, the rest is rejected with a reason.
It knows the bridge by its tools alone; the rules are in `verdict` below. Here every call asks, and a person who says
`/approve` in the chat is played by the command line.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath
from typing import Any

import anyio
from mcp.client import Client

from examples.sandbox import answer, sandbox


def verdict(tool: str, arguments: dict[str, Any]) -> tuple[bool | None, str]:
    """Whether a call may run, and why; None is for people to decide."""
    path = PurePosixPath(str(arguments.get("path", ".")))
    if path.is_absolute() or ".." in path.parts:
        return False, f"{path} is not in the folder"
    if tool in ("files__list_files", "files__read_file"):
        return True, "reading here is fine"
    if tool == "files__delete_file" and path.name.startswith("draft-"):
        return None, "drafts may be wanted yet"
    return False, f"{path} is not mine to give away"


async def decide_all(client: Client, in_doubt: Callable[[str], Awaitable[None]], asked: set[str]) -> None:
    """Give a verdict on everything that waits now, and leave to people what they have to decide, once."""
    waiting = answer(await client.call_tool("list_approvals", {}))["approvals"]
    for approval in waiting:
        allowed, why = verdict(approval["tool"], approval["arguments"])
        word = {True: "approve", False: "reject ", None: "ask    "}[allowed]
        if approval["id"] in asked:
            continue
        asked.add(approval["id"])
        print(f"  {word} {approval['tool']} {approval['arguments']}: {why}")
        if allowed is None:
            await in_doubt(approval["id"])
        elif allowed:
            # The digest binds the verdict to the very call that was looked at.
            given = {"approval_id": approval["id"], "digest": approval["digest"], "note": why}
            answer(await client.call_tool("approve_call", given))
        else:
            answer(await client.call_tool("reject_call", {"approval_id": approval["id"], "reason": why}))


async def supervise(client: Client, in_doubt: Callable[[str], Awaitable[None]], until: anyio.Event) -> None:
    """Follow the feed. The consumer's cursor is stored in the bridge: a restarted supervisor goes on where it was."""
    cursor, asked_before = None, set[str]()
    while not until.is_set():
        asked = {"consumer": "supervisor", "types": ["approval.requested"], "timeout_s": 2}
        page = answer(await client.call_tool("wait_for_events", asked | ({"after": cursor} if cursor else {})))
        cursor = page["cursor"]
        if page["events"]:
            await decide_all(client, in_doubt, asked_before)


async def ask(client: Client, text: str) -> str:
    """Have the assistant take a turn; its reply, once it is there."""
    print(f"chat: {text}")
    ticket = answer(await client.call_tool("run_turn", {"conversation": "local/main", "text": text}))
    while ticket["state"] == "open":
        ticket = answer(await client.call_tool("wait_for", {"ticket": ticket["id"], "timeout_s": 20}))
    return ticket["text"]


async def main() -> int:
    with sandbox(confirmation="required") as box:

        async def person(approval: str) -> None:
            """Somebody in the chat, who knows that the draft is old."""
            print("chat: (a person approves)")
            said = [sys.executable, "-m", "bridge_mcp", "say", "local/main", f"/approve {approval}"]
            await anyio.run_process(said, env=box.environment)

        async with box.connect("--scopes", "read,send,approve") as client, anyio.create_task_group() as tasks:
            done = anyio.Event()
            tasks.start_soon(supervise, client, person, done)
            print(f"assistant: {await ask(client, 'Please tidy up the folder.')}")
            done.set()
        left = sorted(path.name for path in box.files.iterdir())
        print(f"left in the folder: {', '.join(left)}")
        return 0 if left == ["letter.txt", "taxes.txt"] else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
