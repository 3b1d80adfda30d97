"""An agent of your own that asks before it acts: plain Python, its own tools, and people who decide in the bridge.

    python -m examples.approval_provider

The agent wants to make two payments. It asks for each (`request_approval`), takes a yes once and right before it acts
(`consume_approval`), and tells what came of it (`report_outcome`). The person here is a second process, `bridge-mcp
approvals`, on the same state folder; in earnest it is somebody with a phone. An agent without MCP does the same over
HTTP, by the Agent Approval Protocol (`/aap` of `bridge-mcp serve --http`).
"""

from __future__ import annotations

import sys
from typing import Any

import anyio
from mcp.client import Client

from examples.sandbox import Sandbox, answer, sandbox

PAYMENTS = ({"to": "Ann", "euros": 5}, {"to": "Eve", "euros": 5000})


class Agent:
    """An agent with one tool, which nobody but itself can call."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.paid: list[str] = []

    def pay(self, to: str, euros: int) -> str:
        self.paid.append(f"{euros} to {to}")
        return f"paid {euros} euros to {to}"

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        return answer(await self.client.call_tool(tool, arguments))

    async def ask(self, number: int, payment: dict[str, Any]) -> dict[str, Any]:
        """The ticket of a payment. The key makes it the same one however often an agent that was restarted asks."""
        asked = {"tool": "pay", "arguments": payment, "reason": "an invoice came in"}
        ticket = await self.call("request_approval", **asked, wait_s=0, idempotency_key=f"invoice {number}")
        while ticket["state"] == "open" and not ticket["approvals"]:
            ticket = await self.call("wait_for", ticket=ticket["id"], timeout_s=0.1)
        return ticket

    async def act(self, ticket: dict[str, Any]) -> None:
        """Wait for the verdict, and pay if it says so, with the arguments that it says."""
        verdict = await self.call("wait_for", ticket=ticket["id"], timeout_s=20)
        print(f"verdict: {verdict['outcome']} {verdict['text']}")
        if verdict["outcome"] != "approved":
            return
        taken = await self.call(
            "consume_approval", ticket=ticket["id"], digest=verdict["structured"]["digest"], idempotency_key="run"
        )
        done = self.pay(**taken["arguments"])
        await self.call("report_outcome", ticket=ticket["id"], outcome="ok", text=done)
        print(f"agent: {done}")


async def decide(box: Sandbox, ticket: dict[str, Any], payment: dict[str, Any]) -> None:
    """The person: small sums are fine."""
    (approval,) = ticket["approvals"]
    words = ["approve", approval] if payment["euros"] < 100 else ["reject", approval, "ask me in person"]
    await anyio.run_process([sys.executable, "-m", "bridge_mcp", "approvals", *words], env=box.environment)


async def main() -> int:
    with sandbox() as box:
        box.config.write_text(f"{box.config.read_text()}\n[approvals]\nprovider = true\n")
        async with box.connect() as client:
            agent = Agent(client)
            for number, payment in enumerate(PAYMENTS):
                ticket = await agent.ask(number, payment)
                await decide(box, ticket, payment)
                await agent.act(ticket)
        return 0 if agent.paid == ["5 to Ann"] else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
