"""The tools of whoever runs the bridge: scope `admin`.

The annotations of this module's functions are read at run time, as each tool's parameters.
"""

from typing import Annotated, Literal

from bridge_mcp.server.tools import schemas, serialize_bridge
from bridge_mcp.server.tools.params import Between
from bridge_mcp.server.tools.tool import Tool, ToolCall, tool

__all__ = ["ADMIN_TOOLS"]


@tool("admin", read_only=True)
async def list_pairings(call: ToolCall, channel: str = "") -> schemas.PairingsShape:
    """The chats and people that were let in, and those who ask to be, with their codes."""
    return serialize_bridge.pairings(*await call.bridge.list_pairings(call.who, channel=channel))


@tool("admin", idempotent=True)
async def pair_chat(
    call: ToolCall,
    code: Annotated[str, "As the chat was shown it"] = "",
    channel: str = "",
    chat: Annotated[str, "The platform's id of a chat or a person"] = "",
    role: Literal["user", "approver"] = "user",
    name: str = "",
) -> schemas.PairingShape:
    """Let a chat or a person in: by `code`, or by `channel` and `chat`."""
    made = await call.bridge.pair_chat(call.who, code=code, channel=channel, chat=chat, role=role, name=name)
    return serialize_bridge.pairing(made)


@tool("admin", destructive=True, idempotent=True)
async def unpair_chat(call: ToolCall, channel: str, chat: str) -> schemas.UnpairedShape:
    """Let a chat or a person in no longer."""
    await call.bridge.unpair_chat(call.who, channel=channel, chat=chat)
    return {"channel": channel, "chat": chat, "paired": False}


@tool("admin", read_only=True)
async def list_grants(call: ToolCall) -> schemas.GrantsShape:
    """The standing verdicts that approve_call with `remember` made."""
    return serialize_bridge.grants(await call.bridge.list_grants(call.who))


@tool("admin", destructive=True, idempotent=True)
async def revoke_grant(call: ToolCall, grant: Annotated[int, Between(0, 2**53)]) -> schemas.RevokedShape:
    """End a standing verdict."""
    await call.bridge.revoke_grant(call.who, grant)
    return {"grant": grant, "revoked": True}


@tool("admin", destructive=True)
async def run_command(
    call: ToolCall, conversation: str, command: Annotated[str, "Such as /status, /clear or /stop"]
) -> schemas.CommandShape:
    """Run a chat command in a chat and answer what it says."""
    return {"conversation": conversation, "text": await call.bridge.run_command(call.who, conversation, command)}


ADMIN_TOOLS: tuple[Tool, ...] = (list_pairings, pair_chat, unpair_chat, list_grants, revoke_grant, run_command)
