"""An action cut into requests: what each says, before anybody knows whether it can be sent. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from bridge_mcp.channels.slack.send.emoji import emoji_name
from bridge_mcp.channels.slack.text.mrkdwn import escaped
from bridge_mcp.channels.slack.text.rich_text import Json, Renderer, plain
from bridge_mcp.channels.slack.text.split import split
from bridge_mcp.core.entries import Button
from bridge_mcp.ports import Edit, Outgoing, OutgoingAction, Part, Reaction, TopicChange, Upload

__all__ = ["Body", "Post", "React", "RefusedAction", "Share", "Update", "blocks_of", "cut"]

MAX_LABEL = 75
"""Characters of a button's label: https://docs.slack.dev/reference/block-kit/block-elements/button-element."""
MAX_BUTTONS = 25
"""Of one `actions` block."""
MAX_FILES = 10
"""Of one share."""
EMPTY = "(nothing to see)"


class Post(Struct, frozen=True):
    """`chat.postMessage`."""

    blocks: tuple[Json, ...]
    text: str
    key: str
    """Of this part: it goes along as metadata, by which the message is known again; "" for none."""


class Share(Struct, frozen=True):
    """Files, shared together."""

    uploads: tuple[Upload, ...]
    key: str
    at: float = 0.0
    """When its message was written, in epoch seconds; 0 where nobody says."""


class Update(Struct, frozen=True):
    """`chat.update`."""

    message: str
    blocks: tuple[Json, ...]
    text: str


class React(Struct, frozen=True):
    """`reactions.add`; without an emoji: our own reactions go."""

    message: str
    emoji: str


class RefusedAction(Struct, frozen=True):
    """An action that Slack would refuse; nothing of it goes out."""

    reason: str
    fix: str


Body: TypeAlias = Post | Share | Update | React | RefusedAction


def cut(action: OutgoingAction, renderer: Renderer) -> tuple[Part, ...]:
    """See `ports.Channel.parts`."""
    match action:
        case Outgoing():
            bodies = posted(action, renderer)
        case Edit():
            bodies = edited(action, renderer)
        case Reaction(message=message, emoji=emoji):
            name = emoji_name(emoji) if emoji else ""
            unknown = RefusedAction(f"Slack has no name for {emoji}", "Use another emoji.")
            bodies = [React(message, name) if name or not emoji else unknown]
        case TopicChange():
            bodies = [topic(action)]
    return tuple(Part(action.chat, body) for body in bodies)


def posted(action: Outgoing, renderer: Renderer) -> list[Body]:
    """Files first, so that buttons stand below all there is to see; then the text, buttons on its last part."""
    files, bodies = action.uploads, list[Body]()
    for at in range(0, len(files), MAX_FILES):
        bodies.append(Share(files[at : at + MAX_FILES], key_of(action, f"f{at // MAX_FILES}"), action.at))
    texts = split(renderer.render(action.text))
    if not texts and (action.buttons or not files):
        texts = [[{"type": "rich_text_section", "elements": [{"type": "text", "text": EMPTY}]}]]
    for number, pieces in enumerate(texts):
        buttons = action.buttons if number == len(texts) - 1 else ()
        bodies.append(Post(blocks_of(pieces, buttons), escaped(plain(pieces)), key_of(action, number)))
    return bodies


def topic(action: TopicChange) -> Body:
    """A thread's first message, which says its name: posted, or changed."""
    name = {"type": "text", "text": action.topic.name, "style": {"bold": True}}
    blocks = blocks_of([{"type": "rich_text_section", "elements": [name]}], ())
    if action.topic.new:
        return Post(blocks, escaped(action.topic.name), f"{action.key}:0" if action.key else "")
    return Update(action.chat.partition("/")[2], blocks, escaped(action.topic.name))


def key_of(action: Outgoing, part: object) -> str:
    """The key of one part; "" where its message has none."""
    return f"{action.key}:{part}" if action.key else ""


def edited(action: Edit, renderer: Renderer) -> list[Body]:
    """The text goes into the first messages; the others say that there is no more; what does not fit is refused."""
    texts, messages = split(renderer.render(action.text)) or [[]], action.messages
    if len(texts) > len(messages):
        reason = f"the new text takes {len(texts)} messages, and it has {len(messages)}"
        return [RefusedAction(reason, "Send it as a new message.")]
    bodies = list[Body]()
    for number, message in enumerate(messages):
        pieces = texts[number] if number < len(texts) else []
        buttons = action.buttons if number == len(texts) - 1 else ()
        visible = pieces or [{"type": "rich_text_section", "elements": [{"type": "text", "text": "…"}]}]
        bodies.append(Update(message, blocks_of(visible, buttons), escaped(plain(visible))))
    return bodies


def blocks_of(pieces: Sequence[Json], buttons: Sequence[Button]) -> tuple[Json, ...]:
    """A rich text, and the buttons below it."""
    blocks: list[Json] = [{"type": "rich_text", "elements": list(pieces)}]
    for at in range(0, len(buttons), MAX_BUTTONS):
        row = [button_of(number, each) for number, each in enumerate(buttons[at : at + MAX_BUTTONS], at)]
        blocks.append({"type": "actions", "elements": row})
    return tuple(blocks)


def button_of(number: int, button: Button) -> Json:
    label = button.label if len(button.label) <= MAX_LABEL else f"{button.label[: MAX_LABEL - 1]}…"
    return {
        "type": "button",
        "action_id": f"b{number}",
        "text": {"type": "plain_text", "text": label or "…", "emoji": True},
        "value": button.token,
    }
