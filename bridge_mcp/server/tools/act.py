"""The tools that act in chats, decide and call: scopes `send`, `approve` and `tools`.

The annotations of this module's functions are read at run time, as each tool's parameters.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from bridge_mcp.core.results import Decision
from bridge_mcp.core.tools import JSON
from bridge_mcp.server.tools import attachments, schemas, serialize
from bridge_mcp.server.tools.params import AtMost, Between
from bridge_mcp.server.tools.tool import Answer, Illustrated, Tool, ToolCall, tool
from bridge_mcp.service import ApprovalOptions, decided

__all__ = ["APPROVE_TOOLS", "CALL_TOOLS", "SEND_TOOLS"]

Text = Annotated[str, AtMost(None)]
Seconds = Annotated[float, Between(0, 50)]
Key = Annotated[str, "Any text; a call repeated with it does nothing twice"]

Also = Annotated[tuple[str, ...], "Further approvals, decided the same way"]

YEAR_S = 366 * 24 * 3600


@tool("send", open_world=True)
async def send_message(
    call: ToolCall,
    conversation: str,
    text: Annotated[str, AtMost(None), "Markdown"],
    files: Annotated[
        tuple[str, ...], "Paths in an outbox folder, or MESSAGE_OR_TICKET/INDEX of files that came in"
    ] = (),
    reply_to: Annotated[str, "A message id"] = "",
    buttons: Annotated[tuple[str, ...], "Choices below the message; pressing one says its text"] = (),
    silent: bool = False,
    idempotency_key: Key = "",
) -> schemas.SentShape:
    """Send a message to a chat. `status` is sent, queued (goes out by itself), uncertain (may have gone out: ask before
    you repeat it) or failed."""
    answer = await call.bridge.send_message(
        call.who,
        conversation,
        text,
        files=files,
        reply_to=reply_to,
        buttons=buttons,
        silent=silent,
        idempotency_key=idempotency_key,
    )
    return serialize.sent(answer)


@tool("send", destructive=True, idempotent=True, open_world=True)
async def edit_message(
    call: ToolCall,
    message: Annotated[str, "Id of a message of yours or of the assistant"],
    text: Annotated[str, AtMost(None), "The whole new text"],
    buttons: Annotated[tuple[str, ...], "In the place of those it has"] = (),
    idempotency_key: Key = "",
) -> schemas.SentShape:
    """Give a message that was sent another text."""
    answer = await call.bridge.edit_message(call.who, message, text, buttons=buttons, idempotency_key=idempotency_key)
    return serialize.sent(answer)


@tool("send", idempotent=True, open_world=True)
async def react(
    call: ToolCall,
    message: Annotated[str, "A message id"],
    emoji: Annotated[str, "Empty: take the reaction away"],
    idempotency_key: Key = "",
) -> schemas.SentShape:
    """Put a reaction below a message."""
    return serialize.sent(await call.bridge.react(call.who, message, emoji, idempotency_key=idempotency_key))


@tool("send", open_world=True, ticket=True)
async def ask_user(
    call: ToolCall,
    conversation: str,
    question: Text,
    choices: Annotated[tuple[str, ...], "Buttons to choose from; none: a free answer"] = (),
    expires_s: Annotated[float, Between(0, YEAR_S), "0: never"] = 3600,
    idempotency_key: Key = "",
) -> schemas.TicketShape:
    """Ask the people of a chat. Answers a ticket at once: pass its id to wait_for until it is done."""
    answer = await call.bridge.ask_user(
        call.who, conversation, question, choices=choices, expires_s=expires_s, idempotency_key=idempotency_key
    )
    return serialize.ticket(answer)


@tool("send", destructive=True, open_world=True, ticket=True)
async def run_turn(
    call: ToolCall,
    conversation: str,
    text: Annotated[str, AtMost(None), "What the assistant is asked"],
    wait_s: Seconds = 20,
    idempotency_key: Key = "",
) -> schemas.TicketShape:
    """Have the assistant take a turn in a chat, tools included; its reply goes to the chat. Answers a ticket: if it is
    still open, see its approvals, then wait_for."""
    answer = call.bridge.run_turn(
        call.who, conversation, text, wait_s=wait_s, idempotency_key=idempotency_key, begun=call.begun
    )
    return serialize.ticket(await call.wait(answer, wait_s))


@tool("send", idempotent=True)
async def set_responder(
    call: ToolCall, conversation: str, responder: Literal["assistant", "relay", "off", "default"]
) -> schemas.ResponderShape:
    """Say who answers a chat from now on: the assistant, MCP clients (relay), nobody, or as the config says."""
    now = await call.bridge.set_responder(call.who, conversation, responder)
    return {"conversation": conversation, "responder": now}


@tool("approve", destructive=True, idempotent=True, open_world=True)
async def approve_call(
    call: ToolCall,
    approval_id: str,
    digest: Annotated[str, "As listed: approve only exactly that"] = "",
    arguments: Annotated[Mapping[str, JSON] | None, "To run with instead"] = None,
    remember: Annotated[
        Literal["once", "conversation", "always"], "Else also grant this tool's later calls, here or everywhere"
    ] = "once",
    remember_arguments: Annotated[
        Mapping[str, str] | None, "Grant only calls whose arguments match: name to pattern, `*` is any text"
    ] = None,
    remember_s: Annotated[float, Between(0, YEAR_S), "How long the grant holds; 0: until revoked"] = 0,
    note: Text = "",
    also: Also = (),
) -> schemas.DecisionShape:
    """Let waiting tool calls run. Read their arguments first (list_approvals). The first verdict wins; a call with a
    `quorum` waits for that many approvers."""
    yes = ApprovalOptions(
        digest, arguments, remember, remember_arguments=remember_arguments or {}, remember_s=remember_s, note=note
    )
    return serialize.decision(whole(await call.bridge.approve_calls(call.who, (approval_id, *also), yes)))


@tool("approve", idempotent=True)
async def reject_call(
    call: ToolCall,
    approval_id: str,
    reason: Annotated[str, AtMost(None), "Told to the assistant"] = "",
    also: Also = (),
) -> schemas.DecisionShape:
    """Keep waiting tool calls from running. The first verdict wins."""
    return serialize.decision(whole(await call.bridge.reject_calls(call.who, (approval_id, *also), reason=reason)))


@tool("tools", destructive=True, open_world=True, ticket=True)
async def call_tool(
    call: ToolCall,
    tool: Annotated[str, "A name from list_tools"],
    arguments: Mapping[str, JSON] | None = None,
    wait_s: Seconds = 20,
    idempotency_key: Key = "",
    show_files: Annotated[bool, "Give a result's files as content too"] = False,
) -> Answer | Illustrated:
    """Call a nested tool through the assistant's gate. Answers a ticket: done with the result, or open while somebody
    else has to approve the call (you may not) or it runs on."""
    answer = call.bridge.call_tool(
        call.who, tool, arguments or {}, wait_s=wait_s, idempotency_key=idempotency_key, progress=call.hear
    )
    return await attachments.illustrated(call, await call.wait(answer, wait_s), shown=show_files)


def whole(decisions: Sequence[Decision]) -> Sequence[Decision]:
    """Let pass what was decided; a single call that somebody else decided by a moment is an error."""
    if len(decisions) == 1:
        decided(decisions[0])
    return decisions


SEND_TOOLS: tuple[Tool, ...] = (send_message, edit_message, react, ask_user, run_turn, set_responder)
APPROVE_TOOLS: tuple[Tool, ...] = (approve_call, reject_call)
CALL_TOOLS: tuple[Tool, ...] = (call_tool,)
