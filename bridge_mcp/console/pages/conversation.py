"""One conversation as a chat: it streams, and somebody may speak in it, take it over, and hand it back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, Literal, cast
from urllib.parse import quote

from starlette.responses import Response

from bridge_mcp.console.following import news, start_of
from bridge_mcp.console.markdown import rendered
from bridge_mcp.console.streams import event
from bridge_mcp.console.timeline import timeline
from bridge_mcp.console.visits import Page, Visit
from bridge_mcp.core.address import Address
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.results import MessagePage

__all__ = ["PAGES", "conversation_path"]

SHOWN = 40
"""Messages on a page."""


def conversation_path(conversation: str) -> str:
    """Where a conversation is shown, below the console's path."""
    return f"/conversation?id={quote(conversation)}"


async def index(visit: Visit) -> Response:
    """The chat: the newest messages, or those before one."""
    conversation, before = visit.query("id"), visit.query("before")
    after = await start_of(visit)
    status = await visit.bridge.get_conversation(visit.who, conversation)
    page = await visit.bridge.read_messages(visit.who, conversation, before=before, limit=SHOWN, calls=True)
    traits = visit.bridge.traits[Address.of(conversation).channel]
    return await visit.page(
        "conversation.html",
        **context_of(visit, page),
        status=status,
        traits=traits,
        page=page,
        before=before,
        after=after,
        draft=None if before else drafted(visit, conversation),
    )


def context_of(visit: Visit, page: MessagePage) -> dict[str, Any]:
    """What the timeline's template shows."""
    channel = visit.bridge.traits.get(Address.of(page.conversation).channel)
    return {
        "items": timeline(page.messages, page.calls or ()),
        "conversation": page.conversation,
        "speaks": visit.may("send") and channel is not None and channel.delivered_by_commit,
    }


def drafted(visit: Visit, conversation: str) -> object:
    """The text so far of a reply that is being given, as HTML; None for none."""
    draft = visit.bridge.draft(visit.who, conversation)
    return None if draft is None else rendered(draft.text)


async def stream(visit: Visit) -> Response:
    """What happens in the conversation, as it happens."""
    conversation = visit.query("id")
    await visit.bridge.get_conversation(visit.who, conversation)
    return visit.console.streams.response(visit.who, changes(visit, conversation))


async def changes(visit: Visit, conversation: str) -> AsyncIterator[bytes]:
    """The timeline once it changes, and the reply while it grows."""
    async for page, draft in news(visit, conversation):
        parts: list[str] = []
        if page is not None:
            messages = await visit.bridge.read_messages(visit.who, conversation, limit=SHOWN, calls=True)
            status = await visit.bridge.get_conversation(visit.who, conversation)
            parts.append(visit.html("timeline-change.html", status=status, **context_of(visit, messages)))
        parts.append(visit.html("draft.html", draft=None if draft is None else rendered(draft.text)))
        yield event("".join(parts), None if page is None else page.cursor)


async def say(visit: Visit) -> Response:
    """Speak: as the person there on a local channel, and to the people there on any other."""
    conversation, text = visit.form.get("id"), visit.form.get("text").strip()
    if not text:
        raise BadInput("The message is empty.", fix="Write something.")
    key = visit.form.get("key") or f"{time.time_ns()}"
    channel = visit.bridge.traits.get(Address.of(conversation).channel)
    if channel is not None and channel.delivered_by_commit:
        await visit.bridge.say(visit.who, conversation, text)
    else:
        await visit.bridge.send_message(visit.who, conversation, text, idempotency_key=key, wait_s=0)
    return Response(status_code=204) if visit.partial else visit.go(conversation_path(conversation))


async def responder(visit: Visit) -> Response:
    """Take the conversation over (nobody else answers), or hand it back."""
    conversation = visit.form.get("id")
    wanted = cast("Literal['off', 'default']", visit.form.get("responder"))
    await visit.bridge.set_responder(visit.who, conversation, wanted)
    return visit.go(conversation_path(conversation))


PAGES = (
    Page("/conversation", index),
    Page("/conversation/stream", stream),
    Page("/conversation/say", say, "POST"),
    Page("/conversation/responder", responder, "POST"),
)
