"""The tools that act in chats, decide and call: scopes `send`, `approve` and `tools`.

The annotations of this module's functions are read at run time, as each tool's parameters.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from bridge_mcp.core.results import Decision
from bridge_mcp.server.tools import answers, approval_answers, attachments
from bridge_mcp.server.tools.bridge_answers import ClaimState, ScheduledMessages, Topic
from bridge_mcp.server.tools.params import ConversationId, JsonObject, Text, Texts, TextsByName
from bridge_mcp.server.tools.tool import ContentAnswer, Tool, ToolCall, tool
from bridge_mcp.service import ApprovalOptions, decided

__all__ = ["APPROVE_TOOLS", "CALL_TOOLS", "SEND_TOOLS"]

Seconds = Annotated[float, Field(ge=0, le=50)]
Key = Annotated[str, Field(description="A call repeated with it runs once")]

Also = Annotated[Texts, Field(description="Further approvals, decided alike")]

YEAR_S = 366 * 24 * 3600


@tool("send", open_world=True)
async def send_message(
    call: ToolCall,
    conversation: ConversationId,
    text: Annotated[Text, Field(description="Markdown")],
    files: Annotated[
        Texts, Field(description="Paths in an outbox folder, or MESSAGE_OR_TICKET/INDEX of files that came in")
    ] = (),
    reply_to: Annotated[str, Field(description="A message id")] = "",
    buttons: Annotated[Texts, Field(description="Choices; pressing one says its text")] = (),
    silent: bool = False,
    send_at: Annotated[str, Field(description="2026-12-24T09:00+01:00")] = "",
    idempotency_key: Key = "",
) -> answers.Sent:
    """Send a message to a chat.

    `status` is sent, queued (goes out by itself), uncertain (may have gone out: ask before you repeat it) or failed.
    """
    answer = await call.bridge.send_message(
        call.who,
        conversation,
        text,
        files=files,
        reply_to=reply_to,
        buttons=buttons,
        silent=silent,
        send_at=send_at,
        idempotency_key=idempotency_key,
    )
    return answers.Sent.of(answer)


@tool("send", idempotent=True, answer_listed=False)
async def scheduled_messages(
    call: ToolCall,
    cancel: str = "",
) -> ScheduledMessages:
    """List messages to be sent later; cancel one by its id."""
    cancelled = bool(cancel) and await call.bridge.cancel_scheduled(call.who, cancel)
    scheduled = await call.bridge.scheduled_messages(call.who)
    return ScheduledMessages.of_all(scheduled, cancelled if cancel else None)


@tool("send", destructive=True, idempotent=True, open_world=True)
async def edit_message(
    call: ToolCall,
    message: Annotated[str, Field(description="Id of a message of yours or of the assistant")],
    text: Annotated[Text, Field(description="The whole new text")],
    buttons: Annotated[Texts, Field(description="Instead of those it has")] = (),
    idempotency_key: Key = "",
) -> answers.Sent:
    """Give a message that was sent another text."""
    answer = await call.bridge.edit_message(call.who, message, text, buttons=buttons, idempotency_key=idempotency_key)
    return answers.Sent.of(answer)


@tool("send", idempotent=True, open_world=True)
async def react(
    call: ToolCall,
    message: Annotated[str, Field(description="A message id")],
    emoji: Annotated[str, Field(description="Empty: take the reaction away")],
    idempotency_key: Key = "",
) -> answers.Sent:
    """Put a reaction below a message."""
    return answers.Sent.of(await call.bridge.react(call.who, message, emoji, idempotency_key=idempotency_key))


@tool("send", open_world=True, topics=True, answer_listed=False)
async def create_topic(
    call: ToolCall,
    conversation: ConversationId,
    name: Text,
    icon: Annotated[str, Field(description="An emoji, where the platform has icons")] = "",
    idempotency_key: Key = "",
) -> Topic:
    """Make a topic (a thread) in a chat, where the bot may: its `conversation` takes messages."""
    answer = await call.bridge.create_topic(call.who, conversation, name, icon=icon, idempotency_key=idempotency_key)
    return Topic.of(answer)


@tool("send", idempotent=True, open_world=True, topics=True, answer_listed=False)
async def edit_topic(
    call: ToolCall,
    conversation: ConversationId,
    name: Text = "",
    icon: Annotated[str | None, Field(description="An emoji; empty: none")] = None,
    closed: bool | None = None,
    idempotency_key: Key = "",
) -> Topic:
    """Give a topic another name or icon, close it, or open it again; what is left out stays."""
    answer = await call.bridge.edit_topic(
        call.who, conversation, name=name, icon=icon, closed=closed, idempotency_key=idempotency_key
    )
    return Topic.of(answer)


@tool("send", open_world=True, ticket=True)
async def ask_user(
    call: ToolCall,
    conversation: ConversationId,
    question: Text,
    choices: Annotated[Texts, Field(description="Buttons to choose from; none: a free answer")] = (),
    expires_s: Annotated[float, Field(ge=0, le=YEAR_S, description="0: never")] = 3600,
    idempotency_key: Key = "",
) -> approval_answers.Ticket:
    """Ask the people of a chat. Answers a ticket at once: pass its id to wait_for until it is done."""
    answer = await call.bridge.ask_user(
        call.who, conversation, question, choices=choices, expires_s=expires_s, idempotency_key=idempotency_key
    )
    return approval_answers.Ticket.of(answer)


@tool("send", destructive=True, open_world=True, ticket=True)
async def run_turn(
    call: ToolCall,
    conversation: ConversationId,
    text: Annotated[Text, Field(description="What the assistant is asked")],
    wait_s: Seconds = 20,
    idempotency_key: Key = "",
) -> approval_answers.Ticket:
    """Have the assistant take a turn in a chat, tools included; its reply goes to the chat.

    Answers a ticket: if it is still open, see its approvals, then wait_for.
    """
    answer = call.bridge.run_turn(
        call.who, conversation, text, wait_s=wait_s, idempotency_key=idempotency_key, begun=call.begun
    )
    return approval_answers.Ticket.of(await call.wait(answer, wait_s))


@tool("send", idempotent=True)
async def set_responder(
    call: ToolCall, conversation: ConversationId, responder: Literal["assistant", "relay", "off", "default"]
) -> answers.ResponderSet:
    """Say who answers a chat from now on: the assistant, MCP clients (relay), nobody, or as the config says."""
    now = await call.bridge.set_responder(call.who, conversation, responder)
    return answers.ResponderSet(conversation=conversation, responder=now)


@tool("send", idempotent=True, relay=True, answer_listed=False)
async def claim_conversation(
    call: ToolCall,
    conversation: ConversationId,
    for_s: Annotated[float, Field(ge=0, le=3600, description="0: give it back")],
) -> ClaimState:
    """Have a chat for yourself for a while, where several agents answer: no other client may write there meanwhile.

    It ends by itself. Claim it again to go on.
    """
    claim = await call.bridge.claim_conversation(call.who, conversation, for_s)
    return ClaimState.as_held(conversation, claim)


@tool("approve", destructive=True, idempotent=True, open_world=True, answer_listed=False)
async def approve_call(
    call: ToolCall,
    approval_id: str,
    digest: Annotated[str, Field(description="As listed: approve only exactly that")] = "",
    arguments: Annotated[JsonObject | None, Field(description="Run it with these instead")] = None,
    remember: Annotated[
        Literal["once", "conversation", "always"],
        Field(description="Else also grant this tool's later calls, here or everywhere"),
    ] = "once",
    remember_arguments: Annotated[
        TextsByName | None,
        Field(description="Grant only calls whose arguments match: name to pattern, `*` is any text"),
    ] = None,
    remember_s: Annotated[float, Field(ge=0, le=YEAR_S, description="How long the grant holds; 0: until revoked")] = 0,
    note: Text = "",
    also: Also = (),
) -> approval_answers.Decision:
    """Let waiting tool calls run.

    Read their arguments first (list_approvals). The first verdict wins; a call with a `quorum` waits for that many
    approvers.
    """
    yes = ApprovalOptions(
        digest, arguments, remember, remember_arguments=remember_arguments or {}, remember_s=remember_s, note=note
    )
    return decision(await call.bridge.approve_calls(call.who, (approval_id, *also), yes))


@tool("approve", idempotent=True, answer_listed=False)
async def reject_call(
    call: ToolCall,
    approval_id: str,
    reason: Annotated[Text, Field(description="Told to the assistant")] = "",
    also: Also = (),
) -> approval_answers.Decision:
    """Keep waiting tool calls from running. The first verdict wins."""
    return decision(await call.bridge.reject_calls(call.who, (approval_id, *also), reason=reason))


@tool("tools", destructive=True, open_world=True, ticket=True)
async def call_tool(
    call: ToolCall,
    tool: Annotated[str, Field(description="A name from list_tools")],
    arguments: JsonObject | None = None,
    wait_s: Seconds = 20,
    idempotency_key: Key = "",
    show_files: Annotated[bool, Field(description="Show a result's files too")] = False,
) -> approval_answers.Ticket | ContentAnswer:
    """Call a nested tool through the assistant's gate.

    Answers a ticket: done with the result, or open while somebody else has to approve the call (you may not) or it runs
    on.
    """
    answer = call.bridge.call_tool(
        call.who, tool, arguments or {}, wait_s=wait_s, idempotency_key=idempotency_key, progress=call.hear
    )
    return await attachments.with_files(call, await call.wait(answer, wait_s), shown=show_files)


def decision(decisions: Sequence[Decision]) -> approval_answers.Decision:
    """The first decision, with the others in it. Raises if somebody else has decided a single one a moment before."""
    if len(decisions) == 1:
        decided(decisions[0])
    first, *others = decisions
    answer = approval_answers.Decision.of(first)
    answer.also = tuple([approval_answers.Decided.of(each) for each in others])
    return answer


SEND_TOOLS: tuple[Tool, ...] = (
    send_message,
    scheduled_messages,
    edit_message,
    react,
    create_topic,
    edit_topic,
    ask_user,
    run_turn,
    set_responder,
    claim_conversation,
)
APPROVE_TOOLS: tuple[Tool, ...] = (approve_call, reject_call)
CALL_TOOLS: tuple[Tool, ...] = (call_tool,)
