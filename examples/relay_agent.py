"""A relay agent: people write to the bridge, and the host's own model answers. The bridge needs no model, and no key.

    python -m examples.relay_agent

It connects as an MCP client, follows the messages that come in, and answers them. The people here are a second process,
`bridge-mcp say`, on the same state folder. The agent stores how far it has come under its consumer's name, and sends
with an idempotency key, so it could be killed at any moment and started again: nobody is left without an answer, and
nobody gets two.
"""

from __future__ import annotations

import sys
from typing import Any

import anyio
from mcp.client import Client

from examples.sandbox import Sandbox, answer, sandbox

QUESTIONS = ("When do you open?", "And on Sundays?", "Thanks!")


def think(text: str) -> str:
    """What the host's model would do."""
    if "sunday" in text.lower():
        return "On Sundays we stay in bed."
    return "We open at nine." if "open" in text.lower() else "You are welcome."


async def relay(client: Client) -> None:
    """Answer whatever comes in, until cancelled."""
    cursor: int | None = None
    while True:
        asked = {"consumer": "relay", "types": ["message.received"], "timeout_s": 30}
        page = answer(await client.call_tool("wait_for_events", asked | ({} if cursor is None else {"after": cursor})))
        for event in page["events"]:
            text = event["body"]["text"]
            given = {"conversation": event["conversation"], "text": think(text)}
            key = f"answer to {event['body']['message']}"
            answer(await client.call_tool("send_message", given | {"idempotency_key": key}))
        cursor = page["cursor"]


async def speak(box: Sandbox) -> None:
    """The people: each question by a process of its own."""
    for question in QUESTIONS:
        command = [sys.executable, "-m", "bridge_mcp", "say", "local/main", question]
        await anyio.run_process(command, env=box.environment)


async def all_messages(client: Client, count: int) -> list[dict[str, Any]]:
    """What stands in the chat, once it is so many messages."""
    cursor = 0
    while True:
        messages = answer(await client.call_tool("read_messages", {"conversation": "local/main"}))["messages"]
        if len(messages) >= count:
            return messages
        cursor = answer(await client.call_tool("wait_for_events", {"after": cursor, "timeout_s": 5}))["cursor"]


async def main() -> int:
    messages: list[dict[str, Any]] = []
    with sandbox(responder="relay") as box:
        async with box.connect() as client, anyio.create_task_group() as tasks:
            # A consumer that is not known yet begins with what comes in from now on.
            answer(await client.call_tool("wait_for_events", {"consumer": "relay", "after": 0, "timeout_s": 0}))
            tasks.start_soon(relay, client)
            await speak(box)
            with anyio.fail_after(20):
                messages = await all_messages(client, 2 * len(QUESTIONS))
            tasks.cancel_scope.cancel()
        for message in messages:
            print(f"{message['author']['name']}: {message['text']}")
        said = [message["text"] for message in messages if message["direction"] == "out"]
        return 0 if sorted(said) == sorted(think(question) for question in QUESTIONS) else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
