"""The tools for the owner of the bridge: scope `admin`.

The annotations of this module's functions are read at run time, as each tool's parameters.
"""

from typing import Annotated, Literal

from pydantic import Field

from bridge_mcp.server.tools import bridge_answers
from bridge_mcp.server.tools.params import ConversationId
from bridge_mcp.server.tools.tool import Tool, ToolCall, tool

__all__ = ["ADMIN_TOOLS"]


@tool("admin", read_only=True)
async def list_pairings(call: ToolCall, channel: str = "") -> bridge_answers.Pairings:
    """The chats and people that were let in, and those who ask to be, with their codes."""
    pairings, requests = await call.bridge.list_pairings(call.who, channel=channel)
    return bridge_answers.Pairings.of({"pairings": pairings, "requests": requests})


@tool("admin", idempotent=True)
async def pair_chat(
    call: ToolCall,
    code: Annotated[str, Field(description="As the chat was shown it")] = "",
    channel: str = "",
    chat: Annotated[str, Field(description="The platform's id of a chat or a person")] = "",
    role: Literal["user", "approver"] = "user",
    name: str = "",
) -> bridge_answers.Pairing:
    """Let a chat or a person in: by `code`, or by `channel` and `chat`."""
    pairing = await call.bridge.pair_chat(call.who, code=code, channel=channel, chat=chat, role=role, name=name)
    return bridge_answers.Pairing.of(pairing)


@tool("admin", destructive=True, idempotent=True)
async def unpair_chat(call: ToolCall, channel: str, chat: str) -> bridge_answers.Unpaired:
    """Let a chat or a person in no longer."""
    await call.bridge.unpair_chat(call.who, channel=channel, chat=chat)
    return bridge_answers.Unpaired(channel=channel, chat=chat, paired=False)


@tool("admin", read_only=True)
async def list_grants(call: ToolCall) -> bridge_answers.Grants:
    """The standing verdicts that approve_call with `remember` made."""
    return bridge_answers.Grants.of({"grants": await call.bridge.list_grants(call.who)})


@tool("admin", destructive=True, idempotent=True)
async def revoke_grant(call: ToolCall, grant: Annotated[int, Field(ge=0, le=2**53)]) -> bridge_answers.Revoked:
    """End a standing verdict."""
    await call.bridge.revoke_grant(call.who, grant)
    return bridge_answers.Revoked(grant=grant, revoked=True)


@tool("admin", destructive=True)
async def run_command(
    call: ToolCall,
    conversation: ConversationId,
    command: Annotated[str, Field(description="Such as /status, /clear or /stop")],
) -> bridge_answers.CommandAnswer:
    """Run a chat command in a chat and answer what it says."""
    text = await call.bridge.run_command(call.who, conversation, command)
    return bridge_answers.CommandAnswer(conversation=conversation, text=text)


ADMIN_TOOLS: tuple[Tool, ...] = (list_pairings, pair_chat, unpair_chat, list_grants, revoke_grant, run_command)
