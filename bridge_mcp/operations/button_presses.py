"""Button presses (callback queries): a press is a command or a message with the button's value.

The token on the platform stands for one button of one entry, so it can only do what was shown with it. Only the
bridge's own buttons run commands: on one by an agent or the assistant, `/approve …` is a text.
"""

from __future__ import annotations

from bridge_mcp.core import chat_texts
from bridge_mcp.core.entries import Heard, Responder, Revised
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.projections import BRIDGE, Message
from bridge_mcp.core.safe_text import escape_markdown
from bridge_mcp.core.state import open_calls
from bridge_mcp.operations import commands
from bridge_mcp.operations.addresses import join
from bridge_mcp.operations.approval_texts import asks_for, form_of, takes_words
from bridge_mcp.ports import ButtonPress, ChannelOffset, Form

__all__ = ["PRESSED", "form", "is_open", "press"]

PRESSED = ("tap:", "answer:")
"""Prefixes of the keys of presses: messages without an id on the platform."""


async def form(scene: commands.Scene, tap: ButtonPress, who: Principal) -> Form | None:
    """The form that a press by `who` opens; None where it takes effect, or is refused, at once."""
    offered = await scene.store.traces.button(tap.token)
    if offered is None or offered[0] != join(tap.channel, tap.chat) or "approve" not in who.scopes:
        return None
    message = await scene.store.history.message(*offered)
    asked = asks_for(message) if message is not None else ""
    approval = await scene.store.approvals.get(asked) if asked else None
    if message is None or approval is None or approval.status != "waiting":
        return None
    value = next((button.value for button in message.buttons if button.token == tap.token), "")
    return form_of(approval, value) if value else None


async def press(
    scene: commands.Scene, tap: ButtonPress, who: Principal, responder: Responder, offset: ChannelOffset | None
) -> str:
    """Handle a press by `who`, who was authenticated; returns the text to show them. `responder` answers this chat."""
    conversation = join(tap.channel, tap.chat)
    offered = await scene.store.traces.button(tap.token)
    message = await scene.store.history.message(*offered) if offered and offered[0] == conversation else None
    if message is None or not await stands_below(scene, message, tap):
        return chat_texts.BUTTON_GONE
    value = next((button.value for button in message.buttons if button.token == tap.token), "")
    if message.author != BRIDGE or not commands.is_command(value):
        return await say(scene, tap, message, value, responder, offset)
    try:
        words = f" {tap.written}" if takes_words(value) else ""
        return await commands.run(scene, who, conversation, f"{value}{words}".rstrip(), pressed=True)
    except BridgeError as exc:
        return str(exc)


async def stands_below(scene: commands.Scene, message: Message, tap: ButtonPress) -> bool:
    """Whether the button is below the message it was made for, as far as the platform told its id."""
    first = (
        message if message.target is None else await scene.store.history.message(message.conversation, message.target)
    )
    return first is None or not any(first.platform_ids) or tap.message in first.platform_ids


async def say(
    scene: commands.Scene,
    tap: ButtonPress,
    message: Message,
    value: str,
    responder: Responder,
    offset: ChannelOffset | None,
) -> str:
    """Record a press as a message with the button's text. A question takes one answer, the first."""
    question = message.question
    if question is None:
        pressed = Heard(value, tap.sender, f"tap:{tap.token}:{tap.sender.id}", to=responder, reply_to=message.id)
        await scene.store.log.record(message.conversation, pressed, offset=offset)
        return value
    if not message.asks or not await is_open(scene, message):
        return chat_texts.QUESTION_CLOSED
    answer = Heard(value, tap.sender, f"answer:{message.seq}", to=responder, answers=message.seq, reply_to=message.id)
    text = f"{message.text}\n\n✓ {escape_markdown(value)} ({escape_markdown(tap.sender.name or tap.sender.id)})"
    revision = Revised(message.seq, text, BRIDGE, key=f"answered:{message.seq}")
    first, _ = await scene.store.log.record(message.conversation, answer, revision, offset=offset)
    return value if first.new else chat_texts.ALREADY_ANSWERED


async def is_open(scene: commands.Scene, asked: Message) -> bool:
    """Whether a question can still be answered: neither it nor the turn that asked it is over."""
    question = asked.question
    if question is None or 0 < question.expires_at <= scene.clock.now() - scene.ahead_since(asked.at):
        return False
    if not question.call:
        return True
    log = await scene.store.log.tail(asked.conversation)
    return any(call.id == question.call for call, _ in open_calls(log))
