"""The card of the approvals, for clients that declare MCP Apps (specification of 2026-01-26); others see nothing of it.

`list_approvals` names the card, and the card asks that tool again for what is new. What it decides goes through a tool
that hosts keep from their models (`visibility: ["app"]`). Only a host keeps that promise, and on the wire both look the
same: so the verdict counts only for clients whose owner says that a person sits there (`person_decides`), under their
scopes, and is logged as `mcp app`.
"""

from typing import Annotated, Any, Literal

import mcp_types as types
from mcp.server.context import ServerRequestContext
from pydantic import Field

from bridge_mcp.core.policy import Principal
from bridge_mcp.core.tools import JSON
from bridge_mcp.server.apps.page import card_page
from bridge_mcp.server.tools import answers
from bridge_mcp.server.tools.params import Text
from bridge_mcp.server.tools.tool import Tool, ToolCall, tool
from bridge_mcp.service import Bridge

__all__ = ["CARD", "EXTENSION", "Cards"]

EXTENSION = "io.modelcontextprotocol/ui"
MIME = "text/html;profile=mcp-app"
CARD = "ui://bridge/approvals.html"
SHOWN_BY = "list_approvals"


@tool("approve", idempotent=True)
async def decide_on_card(
    call: ToolCall,
    approval_id: str,
    digest: Annotated[str, Field(min_length=1, description="Of what the card shows")],
    decision: Literal["approve", "reject"],
    note: Annotated[Text, Field(description="Whoever asked is told")] = "",
) -> answers.Decision:
    """Record the verdict of the person before the card of the approvals. Only that card calls this."""
    made = await call.bridge.decide_on_card(
        call.who, approval_id, digest=digest, approve=decision == "approve", note=note
    )
    return answers.Decision.of(made)


class Cards:
    """What a client that shows cards gets beside the rest."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def listed(
        self, ctx: ServerRequestContext[Any, Any], who: Principal, tools: list[dict[str, JSON]]
    ) -> list[dict[str, JSON]]:
        """The tools of a client, with the card on the one that it belongs to, and with the card's own."""
        if not declared(ctx):
            return tools
        link: dict[str, JSON] = {"_meta": meta("model", "app")}
        linked = [each | link if each["name"] == SHOWN_BY else each for each in tools]
        own: dict[str, JSON] = {**decide_on_card.listed(), "_meta": meta("app")}
        return [*linked, own] if self.decides(who) else linked

    def tool(self, ctx: ServerRequestContext[Any, Any], who: Principal, name: str) -> Tool | None:
        """The card's own tool, for those who have it."""
        return decide_on_card if name == decide_on_card.name and declared(ctx) and self.decides(who) else None

    def decides(self, who: Principal) -> bool:
        """Whether a verdict of this client's card counts."""
        return who.attended and "approve" in who.scopes and not self._bridge.rules.separate

    def read(self, ctx: ServerRequestContext[Any, Any], who: Principal, uri: str) -> dict[str, JSON] | None:
        """The card as a resource; None where this is none, or not for this client.

        Raises:
            Denied: `who` may not read.
        """
        if uri != CARD or not declared(ctx):
            return None
        who.require("read")
        ui: dict[str, JSON] = {"prefersBorder": True}
        return {"uri": CARD, "mimeType": MIME, "text": card_page(decides=self.decides(who)), "_meta": {"ui": ui}}


def meta(*visibility: str) -> dict[str, JSON]:
    """What a tool says of the card."""
    return {"ui": {"resourceUri": CARD, "visibility": [*visibility]}}


def declared(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client shows cards: told in the handshake, or since 2026-07-28 with each request."""
    able: types.ClientCapabilities | None = ctx.session.client_capabilities
    settings = (able.extensions or {}).get(EXTENSION) if able is not None else None
    if settings is None:
        return False
    kinds: Any = settings.get("mimeTypes")
    return not isinstance(kinds, list) or MIME in kinds
