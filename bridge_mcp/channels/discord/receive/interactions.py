"""Interactions as arrivals, and what they are answered: https://docs.discord.com/developers/interactions.

A press is answered once its effect is stored, within the three seconds that Discord waits; a press that wants a reason
or other arguments opens a form, which stores nothing.
"""

from __future__ import annotations

from typing import Any, cast

from msgspec import Struct

from bridge_mcp.channels.discord.receive.payloads import Interaction, User
from bridge_mcp.channels.discord.receive.places import Place
from bridge_mcp.core.entries import Sender
from bridge_mcp.ports import ButtonPress, Form, Incoming

__all__ = [
    "COMMAND_OPTION",
    "FORM",
    "Slash",
    "command_of",
    "commands_of",
    "ephemeral_answer",
    "form_answer",
    "press_of",
]

COMMAND, COMPONENT, SUBMIT = 2, 3, 5
MESSAGE, SILENT, MODAL = 4, 6, 9
EPHEMERAL, NO_EMBEDS = 1 << 6, 1 << 2
MAX_CONTENT = 2000
FORM = "form:"
"""What the id of a form begins with, before its button's token."""
COMMAND_OPTION = "words"
MAX_WRITTEN = 4000
"""https://docs.discord.com/developers/components/reference#text-input."""


class Slash(Struct, frozen=True):
    """A command as it is made known to Discord."""

    name: str
    about: str

    @property
    def body(self) -> dict[str, Any]:
        """Every command takes what may stand behind it as one text."""
        option = {"type": 3, "name": COMMAND_OPTION, "description": "What stands behind it", "required": False}
        body = {"name": self.name, "description": self.about[:100], "type": 1, "options": [option]}
        return body | {"contexts": [0, 1], "integration_types": [0]}


def commands_of(answer: Any) -> dict[str, str]:
    """Name and description of the commands that Discord knows."""
    items = cast("list[Any]", answer) if isinstance(answer, list) else []
    objects = [cast("dict[str, Any]", each) for each in items if isinstance(each, dict)]
    return {str(each.get("name")): str(each.get("description")) for each in objects}


def sender_of(who: User) -> Sender:
    return Sender(who.id, who.name[:100], "bot" if who.bot else "person")


def command_of(interaction: Interaction, place: Place, channel: str, at: float) -> Incoming | None:
    """A slash command as the message that it stands for."""
    who, name = interaction.who, interaction.data.get("name")
    if who is None or not isinstance(name, str):
        return None
    words = ""
    for option in interaction.data.get("options") or ():
        if isinstance(option, dict) and option.get("name") == COMMAND_OPTION:  # pyright: ignore[reportUnknownMemberType]
            words = str(cast("dict[str, Any]", option).get("value") or "")
    return Incoming(
        channel,
        place.chat,
        interaction.id,
        sender=sender_of(who),
        text=f"/{name[:32]} {words}".rstrip(),
        at=at,
        title=place.title if place.group else who.name[:100],
        topic=place.topic,
        group=place.group,
        addressed=True,
    )


def press_of(interaction: Interaction, place: Place, channel: str, at: float) -> ButtonPress | None:
    """A press, or a form that was sent."""
    who, custom = interaction.who, interaction.data.get("custom_id")
    if who is None or not isinstance(custom, str):
        return None
    written = written_of(interaction.data) if interaction.type == SUBMIT else ""
    below = interaction.message.id if interaction.message is not None else ""
    token = custom.removeprefix(FORM)
    return ButtonPress(channel, place.chat, below, sender=sender_of(who), token=token, at=at, written=written)


def written_of(data: dict[str, Any]) -> str:
    """What stands in the one field of a form."""
    for row in data.get("components") or ():
        field = cast("dict[str, Any]", row).get("component") if isinstance(row, dict) else None
        if isinstance(field, dict):
            return str(cast("dict[str, Any]", field).get("value") or "")[:MAX_WRITTEN].strip()
    return ""


def form_answer(token: str, form: Form) -> dict[str, Any] | None:
    """The answer that opens a form; None where its text is longer than a field holds."""
    if len(form.text) > MAX_WRITTEN:
        return None
    field = {
        "type": 4,
        "custom_id": "written",
        "style": 2,
        "required": form.wanted,
        "max_length": MAX_WRITTEN,
    }
    if form.text:
        field["value"] = form.text
    label = {"type": 18, "label": form.label[:45], "component": field}
    return {"type": MODAL, "data": {"custom_id": f"{FORM}{token}", "title": form.title[:45], "components": [label]}}


def ephemeral_answer(message: str) -> dict[str, Any]:
    """The answer that only the person sees; without a text the press is taken in silence."""
    if not message.strip():
        return {"type": SILENT}
    text = message if len(message) <= MAX_CONTENT else f"{message[: MAX_CONTENT - 1]}…"
    data = {"content": text, "flags": EPHEMERAL | NO_EMBEDS, "allowed_mentions": {"parse": list[str]()}}
    return {"type": MESSAGE, "data": data}
