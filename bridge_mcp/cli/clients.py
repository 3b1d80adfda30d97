"""Commands about MCP clients over HTTP: clients add, list, revoke."""

from __future__ import annotations

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import OWNER, USUAL, Common, Json, with_bridge
from bridge_mcp.cli.output import ago, console, grid, print_json
from bridge_mcp.cli.texts import setup as texts
from bridge_mcp.core.policy import SCOPES
from bridge_mcp.core.safe_text import visible

__all__ = ["add", "list_", "revoke"]


def add(
    name: str,
    /,
    *,
    scopes: str = "read",
    channels: str = "",
    conversations: str = "",
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """Let a client in over HTTP, and show its token, once.

    Parameters
    ----------
    name
        What it is called from now on.
    scopes
        What it may do, with commas between: read, send, approve, tools, admin.
    channels
        Only in these, with commas between; without this and --conversations everywhere.
    conversations
        Only in these chats (channel/chat_id), with commas between.
    """

    async def body(assembly: Assembly) -> None:
        client, token = await assembly.bridge.add_client(
            OWNER,
            name,
            scopes=listed(scopes),
            channels=listed(channels),
            conversations=listed(conversations),
            taken_names=[c.name for c in assembly.config.clients],
        )
        if json:
            answer = {"name": client.name, "token": token, "scopes": sorted(client.scopes)}
            print_json(answer | {"channels": sorted(client.channels), "conversations": sorted(client.conversations)})
            return
        out = console()
        out.print(texts.client_added(client.name, [scope for scope in SCOPES if scope in client.scopes]))
        out.print(token)

    return with_bridge(common, body)


def list_(*, json: Json = False, common: Common = USUAL) -> int:
    """List the clients that may come over HTTP. Their tokens cannot be shown again."""

    async def body(assembly: Assembly) -> None:
        stored = await assembly.bridge.list_clients(OWNER)
        configured = assembly.config.clients
        rows = [
            *(("bridge.toml", c.name, c.scopes, c.channels | c.conversations, 0.0) for c in configured),
            *((c.by, c.name, c.scopes, c.channels | c.conversations, c.created_at) for c in stored),
        ]
        if json:
            print_json([dict(zip(("by", "name", "scopes", "within", "created_at"), row, strict=True)) for row in rows])
            return
        lines = [
            (
                visible(name),
                ", ".join(s for s in SCOPES if s in scopes),
                visible(", ".join(sorted(within))) or texts.EVERYWHERE,
                texts.made_by(visible(author), ago(at)) if at else author,
            )
            for author, name, scopes, within, at in rows
        ]
        console().print(grid(lines) if lines else texts.NO_CLIENT)

    return with_bridge(common, body)


def revoke(name: str, /, *, common: Common = USUAL) -> int:
    """Shut a client out; what it has open ends at once.

    Parameters
    ----------
    name
        As `clients list` shows it.
    """

    async def body(assembly: Assembly) -> None:
        await assembly.bridge.revoke_client(OWNER, name)
        console().print(texts.client_revoked(visible(name)))

    return with_bridge(common, body)


def listed(text: str) -> list[str]:
    """The words of a list with commas."""
    return [word.strip() for word in text.split(",") if word.strip()]
