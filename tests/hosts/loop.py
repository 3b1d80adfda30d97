"""What every host does: relay a message, have a turn ask for a call, approve exactly that call, and look at a picture.

Standard library only: it runs in the environments of the hosts too.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

__all__ = ["CHECKS", "SAW", "Call", "go"]

SAW = "saw an image"
CHECKS = ("listed", "relayed", "approved", SAW)

TOOLS = ("send_message", "wait_for_events", "run_turn", "ask_user", "list_approvals", "approve_call", "call_tool")
"""Tools that every host has to list, in some spelling."""

Call = Callable[[str, "dict[str, Any]"], Awaitable["tuple[str, bool]"]]
"""Calls a tool: the text that the host shows its model, and whether an image stands beside it."""


async def go(names: list[str], call: Call, hidden: Sequence[str] = ()) -> dict[str, bool]:
    """Which of `CHECKS` hold.

    Args:
        names: the tools that the host has been told of.
        call: the host's own way to call one.
        hidden: those of `TOOLS` that this host is known to keep from its model.
    """

    async def answer(tool: str, **arguments: Any) -> dict[str, Any]:
        text, _ = await call(tool, arguments)
        told: dict[str, Any] = json.loads(text)
        return told

    found: dict[str, bool] = dict.fromkeys(CHECKS, False)
    missing = [tool for tool in TOOLS if not any(name.endswith(tool) for name in names)]
    found["listed"] = missing == list(hidden)
    sent = await answer("send_message", conversation="home/main", text="hello")
    events = await answer("wait_for_events", after=0, types=["message.sent"], timeout_s=5)
    found["relayed"] = sent["status"] == "sent" and events["events"][0]["body"]["text"] == "hello"
    turn = await answer("run_turn", conversation="home/main", text="delete backup.zip", wait_s=20)
    (waiting,) = (await answer("list_approvals"))["approvals"]
    assert turn["approvals"] == [waiting["id"]], turn
    await answer("approve_call", approval_id=waiting["id"], digest=waiting["digest"])
    ended = await answer("wait_for", ticket=turn["id"], timeout_s=20)
    found["approved"] = ended["state"] == "done" and "backup.zip is gone" in ended["text"]
    text, shown = await call("call_tool", {"tool": "pictures__true-png", "show_files": True, "wait_s": 20})
    _, fetched = await call("fetch_attachment", {"message": json.loads(text)["id"], "index": 0})
    found[SAW] = shown and fetched
    return found
