"""The tools by which a client has calls of its own decided here: scope `tools`, listed where the bridge is a provider.

The annotations of this module's functions are read at run time, as each tool's parameters.
"""

from typing import Annotated, Literal

from pydantic import Field

from bridge_mcp.server.tools import approval_answers, bridge_answers
from bridge_mcp.server.tools.act import YEAR_S, Key, Seconds
from bridge_mcp.server.tools.params import JsonObject, Text
from bridge_mcp.server.tools.tool import Tool, ToolCall, tool
from bridge_mcp.service import Submission

__all__ = ["REQUEST_TOOLS"]

Requested = Annotated[str, Field(description="The ticket that request_approval gave")]


@tool("tools", open_world=True, ticket=True, provider=True, answer_listed=False)
async def request_approval(
    call: ToolCall,
    tool: Annotated[str, Field(description="The name of your own tool")],
    arguments: JsonObject,
    reason: Annotated[Text, Field(description="Why, for the people who decide")] = "",
    expires_s: Annotated[float, Field(ge=0, le=YEAR_S, description="0: as the owner set it")] = 0,
    wait_s: Seconds = 20,
    idempotency_key: Key = "",
) -> approval_answers.Ticket:
    """Ask people whether you may run a call of a tool of your own.

    Answers a ticket: open while nobody has decided (wait_for, or ask again with the same key); done as `approved`, with
    a digest, `run_before` and arguments that were `edited` in `structured`, or as `rejected`, `expired` or `cancelled`:
    then do not run it.
    """
    submission = Submission(tool, arguments, reason, expires_s=expires_s)
    answer = call.bridge.request_approval(call.who, submission, wait_s=wait_s, idempotency_key=idempotency_key)
    return approval_answers.Ticket.of(await call.wait(answer, wait_s))


@tool("tools", idempotent=True, provider=True)
async def consume_approval(
    call: ToolCall,
    ticket: Requested,
    digest: Annotated[str, Field(description="As the ticket tells it")],
    idempotency_key: Key = "",
) -> bridge_answers.Consumption:
    """Take an approval, once, right before you run the call: run it with these arguments and no others.

    If this is refused, do not run it.
    """
    consumption = await call.bridge.consume_approval(call.who, ticket, digest=digest, idempotency_key=idempotency_key)
    return bridge_answers.Consumption.taken(consumption)


@tool("tools", idempotent=True, provider=True, answer_listed=False)
async def report_outcome(
    call: ToolCall,
    ticket: Requested,
    outcome: Literal["ok", "error"],
    text: Annotated[Text, Field(description="What came back, for the record")] = "",
) -> approval_answers.Ticket:
    """Tell what came of a call that you ran with an approval."""
    return approval_answers.Ticket.of(await call.bridge.report_outcome(call.who, ticket, outcome, text))


REQUEST_TOOLS: tuple[Tool, ...] = (request_approval, consume_approval, report_outcome)
