"""Orders the roles of a request as the strictest chat templates and providers require.

Providers refuse, and `order_messages` never returns: a second system message, or one that is not the first; a
conversation that begins with an assistant's message (Anthropic, Mistral, most templates); two messages of a user, or
two of the assistant, in a row (Gemma, Llama and others: "roles must alternate"); a request that ends with an
assistant's message, which newer Claude models and Mistral take for a prefill and refuse; a result that does not stand
directly behind its call. One order remains that some refuse and most accept: a user message directly after results,
because somebody wrote while tools ran. For those servers there is `alternating`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from msgspec import structs
from msgspec.structs import replace

from bridge_mcp.core.messages import ChatMessage

__all__ = ["BEGINS", "CONTINUE", "MISSING", "alternating", "order_messages"]

BEGINS = "[the conversation begins with this message of the assistant:]"
MISSING = "[what was said before is left out]"
CONTINUE = "[go on]"
READ = "(I have read the results.)"


def order_messages(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """The same messages in an order that is accepted everywhere, but for a user message after results.

    Messages of one role in a row become one; a message without a legal place becomes a user message.
    """
    unordered = tuple(messages)
    if in_order([message.role for message in unordered]):
        return unordered
    out: list[ChatMessage] = []
    system: ChatMessage | None = None
    for message in unordered:
        if message.role == "system":
            system = message if system is None else join_messages(system, message)
        elif not out and message.role == "assistant":
            out += opening_messages(message)
        elif out and out[-1].role == message.role != "tool":
            out[-1] = join_messages(out[-1], message)
        else:
            out.append(message)
    if not out or out[-1].role == "assistant":
        out.append(ChatMessage("user", CONTINUE))
    return tuple(out) if system is None else (system, *out)


def in_order(roles: list[str]) -> bool:
    """Whether the roles are in order already: the usual case, checked quickly."""
    begin = int(roles[:1] == ["system"])
    return (
        roles[-1:] in (["user"], ["tool"])
        and roles[begin] == "user"
        and "system" not in roles[begin:]
        and not any(a == b != "tool" for a, b in pairwise(roles))
    )


def opening_messages(message: ChatMessage) -> tuple[ChatMessage, ...]:
    """An assistant message at the very beginning: as a user message, or after one if it has calls."""
    if message.calls:
        return (ChatMessage("user", MISSING), message)
    return (replace(message, role="user", about=BEGINS),)


def join_messages(first: ChatMessage, second: ChatMessage) -> ChatMessage:
    """Two messages of one role as one: nothing of either is lost."""
    text = "\n\n".join(filter(None, (first.text, second.told)))
    # The provider fields are those of the message with calls, or else of the later one.
    provider = second if second.kept_for and (second.calls or not first.calls) else first
    calls = tuple(
        call if message.kept_for == provider.kept_for or not call.kept else structs.replace(call, kept="")
        for message in (first, second)
        for call in message.calls
    )
    files = (*first.attachments, *second.attachments)
    return replace(first, text=text, calls=calls, attachments=files, kept=provider.kept, kept_for=provider.kept_for)


def alternating(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """As `order_messages`, for a server that refuses a user message after results: an assistant message goes in."""
    out: list[ChatMessage] = []
    for message in order_messages(messages):
        if message.role == "user" and out and out[-1].role == "tool":
            out.append(ChatMessage("assistant", READ))
        out.append(message)
    return tuple(out)
