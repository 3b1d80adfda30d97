"""Resources that clients can read and subscribe to: the same JSON as the tools' results.

`bridge://conversations/{conversation}` takes a conversation with plain or percent-encoded slashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote

from bridge_mcp.core.errors import NotFound
from bridge_mcp.core.policy import Principal
from bridge_mcp.server.tools import answers, approval_answers, status_answers
from bridge_mcp.server.tools.message_pages import message_page
from bridge_mcp.service import Bridge

__all__ = [
    "APPROVALS",
    "CHANNELS",
    "CONVERSATIONS",
    "RESOURCES",
    "STATUS",
    "TEMPLATES",
    "conversation_of",
    "read_resource",
    "uris_of",
]

CHANNELS = "bridge://channels"
APPROVALS = "bridge://approvals"
STATUS = "bridge://status"
CONVERSATIONS = "bridge://conversations/"

JSON_TYPE = "application/json"

RESOURCES: tuple[Mapping[str, str], ...] = (
    {
        "uri": CHANNELS,
        "name": "channels",
        "description": "The chat accounts this bridge holds, and how each is",
        "mimeType": JSON_TYPE,
    },
    {
        "uri": APPROVALS,
        "name": "approvals",
        "description": "The tool calls that wait for a verdict",
        "mimeType": JSON_TYPE,
    },
    {
        "uri": STATUS,
        "name": "status",
        "description": "How the bridge is, with warnings and their fixes",
        "mimeType": JSON_TYPE,
    },
)

TEMPLATES: tuple[Mapping[str, str], ...] = (
    {
        "uriTemplate": f"{CONVERSATIONS}{{+conversation}}",
        "name": "conversation",
        "description": "One chat: who answers it, what it waits for, what it cost, and its last 50 messages",
        "mimeType": JSON_TYPE,
    },
)


class ConversationResource(answers.Answer):
    """One chat as a resource: its state, and its last messages."""

    conversation: answers.Conversation
    responder: str
    step: str
    waiting: list[approval_answers.Approval]
    usage: status_answers.Usage
    today: status_answers.Usage
    unread: int
    messages: list[answers.Message] | None = None


async def read_resource(bridge: Bridge, who: Principal, uri: str) -> answers.Answer:
    """The current contents of a resource.

    Raises:
        NotFound: there is none with this URI.
        Denied: `who` may not read.
    """
    if uri == CHANNELS:
        return status_answers.Channels.of({"channels": await bridge.list_channels(who)})
    if uri == APPROVALS:
        return approval_answers.ApprovalPage.of(await bridge.page_approvals(who))
    if uri == STATUS:
        return status_answers.Status.of(await bridge.get_status(who))
    conversation = conversation_of(uri)
    answer = ConversationResource.of(await bridge.get_conversation(who, conversation))
    answer.messages = (await message_page(bridge, who, conversation)).messages
    return answer


def conversation_of(uri: str) -> str:
    """The conversation in a resource's URI.

    Raises:
        NotFound: there is none in it.
    """
    if not uri.startswith(CONVERSATIONS):
        raise NotFound(
            f"There is no resource '{uri[:80]}'.",
            fix=f"The resources are: {CHANNELS}, {APPROVALS}, {STATUS}, {CONVERSATIONS}CHANNEL/CHAT.",
        )
    return unquote(uri.removeprefix(CONVERSATIONS))


def uris_of(conversation: str) -> tuple[str, str]:
    """The URIs by which a conversation's resource may be subscribed to: plain, and percent-encoded."""
    return CONVERSATIONS + conversation, CONVERSATIONS + quote(conversation, safe="")
