"""Telling people that a call still waits: again, or those who are asked when nobody else decides.

What is told is a message of the bridge in the chat concerned, once for each reminder: its key says which. The fact
stands in the log of the call. A crash between the two repeats the step, and the key keeps the message from doubling.
"""

from __future__ import annotations

from dataclasses import replace

from bridge_mcp.core.entries import CALLS, Heard, Posted, Rang, Sender, approval_id
from bridge_mcp.core.policy import AGENTS
from bridge_mcp.core.steps import Remind, Ring
from bridge_mcp.core.views import BRIDGE
from bridge_mcp.core.visible import pretty, visible
from bridge_mcp.ports import Store

__all__ = ["ring", "tell"]


async def ring(store: Store, conversation: str, step: Ring) -> None:
    """Put a reminder into the assistant's conversation, as a message that it has to read, once."""
    wanted = step.scheduled
    text = f"Reminder that you asked for: {wanted.text}"
    heard = Heard(text, Sender("bridge", "reminder", "bot"), f"reminder:{wanted.call}", "assistant")
    await store.log.record(wanted.conversation, heard)
    await store.log.record(conversation, Rang())


async def tell(store: Store, conversation: str, step: Remind) -> None:
    """Repeat a prompt, or put it to the next ones, and write down that this was done."""
    reminded = step.reminded
    to = reminded.to or conversation
    told = "" if to == AGENTS or to.startswith(f"{CALLS}/") else to
    if told:
        name = approval_id(conversation, reminded.call)
        key = f"{reminded.why}:{name}:{reminded.number}"
        await store.log.record(told, Posted(text_of(conversation, name, step), BRIDGE, key=key))
    await store.log.record(conversation, replace(reminded, to=told))


def text_of(conversation: str, name: str, step: Remind) -> str:
    """The prompt in words: what will run is shown whole, and nothing in it can hide."""
    asked = step.asked
    first = "Still waiting for a verdict" if step.reminded.why == "reminder" else "Nobody has decided yet"
    return "\n".join(
        (
            f"{first}: {visible(asked.tool)}, in {visible(conversation)}, asked by {visible(asked.requested_by)}.",
            visible(pretty(asked.arguments), lines=True),
            f"/approve {name}",
            f"/reject {name}",
        )
    )
