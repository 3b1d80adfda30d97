"""The card of the approvals, for clients that declare MCP Apps (specification of 2026-01-26); others see nothing of it.

`list_approvals` names the card, which is the console's own pages: it asks for them through tools that hosts keep from
their models (`visibility: ["app"]`). Only a host keeps that promise, and on the wire both look the same: so a verdict
counts only for clients whose owner says that a person sits there (`person_decides`), under their scopes, and is logged
as `mcp app`.
"""

from collections.abc import Callable
from typing import Annotated, Any, Protocol

from mcp.server.context import ServerRequestContext
from pydantic import Field

from bridge_mcp.core.policy import Principal
from bridge_mcp.core.tools import JSON
from bridge_mcp.server.protocol.request_context import declared_extension
from bridge_mcp.server.tools import answers
from bridge_mcp.server.tools.tool import ContentAnswer, Tool, ToolCall, tool
from bridge_mcp.service import Bridge

__all__ = ["CARD", "EXTENSION", "CardPages", "Cards"]

EXTENSION = "io.modelcontextprotocol/ui"
MIME = "text/html;profile=mcp-app"
CARD = "ui://bridge/approvals.html"
SHOWN_BY = "list_approvals"
MAX_FORM = 4_000_000
"""Characters of a form: the longest arguments, as browsers encode them."""

Form = Annotated[str, Field(max_length=MAX_FORM)]


class CardPages(Protocol):
    """The pages of the card, which the console has."""

    def resource(self) -> str:
        """The card as one file."""
        ...

    async def answer(self, who: Principal, address: str, form: str | None = None, *, decides: bool = False) -> str:
        """The HTML at an address, or of what a form that is sent there is answered with.

        Raises:
            BadInput: the form cannot be read.
            NotFound: there is no such page; or, unless `decides`, none that decides nothing.
        """
        ...


class CardPage(answers.Answer):
    """A part of the card."""

    html: str


class Cards:
    """What a client that shows cards gets beside the rest.

    Args:
        bridge: the service.
        pages: makes the pages, which take a while to load and which few clients ask for; None for no card.
    """

    def __init__(self, bridge: Bridge, pages: Callable[[], CardPages] | None) -> None:
        self._bridge = bridge
        self._pages = pages
        self._own: dict[str, Tool] = {each.name: each for each in (tools_of(pages) if pages is not None else ())}

    def listed(
        self, ctx: ServerRequestContext[Any, Any], who: Principal, tools: list[dict[str, JSON]]
    ) -> list[dict[str, JSON]]:
        """The tools of a client, with the card on the one that it belongs to, and with the card's own."""
        if self._pages is None or not shows_cards(ctx):
            return tools
        card: dict[str, JSON] = {"_meta": card_meta("model", "app")}
        linked = [each | card if each["name"] == SHOWN_BY else each for each in tools]
        scopes = self._bridge.on_card(who).scopes
        return [
            *linked,
            *({**each.listed(), "_meta": card_meta("app")} for each in self._own.values() if each.scope in scopes),
        ]

    def tool(self, ctx: ServerRequestContext[Any, Any], who: Principal, name: str) -> Tool | None:
        """A tool of the card's own, for those who have it."""
        card_tool = self._own.get(name)
        allowed = card_tool is not None and shows_cards(ctx) and card_tool.scope in self._bridge.on_card(who).scopes
        return card_tool if allowed else None

    def read(self, ctx: ServerRequestContext[Any, Any], who: Principal, uri: str) -> dict[str, JSON] | None:
        """The card as a resource; None where this is none, or not for this client.

        Raises:
            Denied: `who` may not read.
        """
        if uri != CARD or self._pages is None or not shows_cards(ctx):
            return None
        who.require("read")
        ui: dict[str, JSON] = {"prefersBorder": True}
        return {"uri": CARD, "mimeType": MIME, "text": self._pages().resource(), "_meta": {"ui": ui}}


def tools_of(pages: Callable[[], CardPages]) -> tuple[Tool, Tool]:
    """The card's own tools. A page is given once, as text: it may have a megabyte."""

    @tool("read", read_only=True)
    async def show_card(call: ToolCall, path: str, form: Form | None = None) -> ContentAnswer:
        """A page of the card of the approvals. Only that card calls this."""
        html = await pages().answer(call.bridge.on_card(call.who), path, form)
        return ContentAnswer(CardPage(html=html), text_only=True)

    @tool("approve", idempotent=True)
    async def decide_on_card(call: ToolCall, path: str, form: Form) -> ContentAnswer:
        """Record the verdict of the person before the card of the approvals. Only that card calls this."""
        html = await pages().answer(call.bridge.on_card(call.who), path, form, decides=True)
        return ContentAnswer(CardPage(html=html), text_only=True)

    return show_card, decide_on_card


def card_meta(*visibility: str) -> dict[str, JSON]:
    """What a tool says of the card."""
    return {"ui": {"resourceUri": CARD, "visibility": [*visibility]}}


def shows_cards(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client shows cards: told in the handshake, or since 2026-07-28 with each request."""
    settings = declared_extension(ctx, EXTENSION)
    if settings is None:
        return False
    mime_types: Any = settings.get("mimeTypes")
    return not isinstance(mime_types, list) or MIME in mime_types
