"""Interactions: presses, slash commands and forms, answered within three seconds or lost.

https://docs.discord.com/developers/interactions/receiving-and-responding.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, cast

from tests.servers.discord import views
from tests.servers.discord.messages import EPHEMERAL, Given, Messages
from tests.servers.discord.refusals import Refused, invalid, missing
from tests.servers.discord.world import Object, Person, Place, Stored, World

__all__ = ["Interaction", "Interactions"]

COMMAND, COMPONENT, SUBMIT = 2, 3, 5
TOKEN_S = 900.0


@dataclass(slots=True)
class Interaction:
    """One interaction, and what came of it.

    Attributes:
        answer: the type of the first answer; 0 for none yet.
        told: what it says, seen by the person alone where `ephemeral`.
        form: the form that was opened.
        failed: whether nobody answered in time: Discord then shows "This interaction failed".
    """

    id: int
    type: int
    person: Person
    place: Place
    at: float
    message: Stored | None = None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(60))
    answer: int = 0
    told: str = ""
    ephemeral: bool = False
    form: Object = field(default_factory=dict[str, Any])
    failed: bool = False
    response: Stored | None = None
    answered_after_s: float = 0.0


class Interactions:
    """All interactions; `deadline_s` is how long Discord waits for the first answer."""

    def __init__(self, world: World, messages: Messages) -> None:
        self.world, self.messages = world, messages
        self.deadline_s = 3.0
        self.all: dict[int, Interaction] = {}

    def begin(
        self, kind: int, person: Person, place: Place, data: Object, message: Stored | None = None
    ) -> Interaction:
        """Somebody does something with the bot."""
        made = Interaction(self.world.snowflake(), kind, person, place, self.world.now(), message)
        self.all[made.id] = made
        event: Object = {
            "id": str(made.id),
            "application_id": str(self.world.application),
            "type": kind,
            "token": made.token,
            "version": 1,
            "data": data,
            "channel_id": str(place.id),
            "channel": views.channel(self.world, place),
            "locale": "en-US",
            "app_permissions": "0",
            "entitlements": [],
            "authorizing_integration_owners": {},
            "context": 0 if place.guild else 1,
            "attachment_size_limit": 10 * 1024 * 1024,
        }
        if place.guild is not None:
            member: Object = {"user": views.user(person), "roles": [], "permissions": "0", "deaf": False, "mute": False}
            event["member"] = member | {"joined_at": views.instant(0.0), "flags": 0}
            event["guild_id"] = str(place.guild.id)
            event["guild_locale"] = "en-US"
            event["guild"] = {"id": str(place.guild.id), "locale": "en-US", "features": []}
        else:
            event["user"] = views.user(person)
        if message is not None:
            event["message"] = self.messages.shown(message)
        self.world.emit("INTERACTION_CREATE", event, 0)
        self.world.changes.tell()
        return made

    def answer(self, number: str, token: str, body: Object) -> Object:
        """`POST /interactions/{id}/{token}/callback`; what `with_response` gives."""
        found = self.all.get(int(number))
        if found is None or not secrets.compare_digest(found.token, token):
            raise missing("interaction")
        if found.answer:
            raise Refused(400, 40060, "Interaction has already been acknowledged.")
        if self.world.now() - found.at > self.deadline_s:
            found.failed = True
            self.world.changes.tell()
            raise missing("interaction")
        kind = int(body.get("type") or 0)
        data: Object = body.get("data") or {}
        allowed = {COMMAND: (4, 5, 9), COMPONENT: (4, 5, 6, 7, 9), SUBMIT: (4, 5, 6, 7)}[found.type]
        if kind not in allowed:
            raise invalid("type", "BASE_TYPE_CHOICES", f"Value must be one of {allowed}.")
        if kind == 9:
            found.form = checked_form(data)
        if kind == 4:
            self._say(found, data)
        if kind == 7 and found.message is not None:
            self.messages.edit(found.message, Given(data))
        found.answer, found.answered_after_s = kind, self.world.now() - found.at
        found.ephemeral = bool((data.get("flags") or 0) & EPHEMERAL)
        self.world.changes.tell()
        shown: Object = {"id": number, "type": found.type, "response_message_ephemeral": found.ephemeral}
        if found.response is None:
            return {"interaction": shown}
        told = {"type": kind, "message": self.messages.shown(found.response)}
        return {"interaction": shown | {"response_message_id": str(found.response.id)}, "resource": told}

    def _say(self, found: Interaction, data: Object) -> None:
        blank = Stored(self.world.snowflake(), found.place, self.world.bot, at=self.world.now(), type=20)
        made = self.messages.fill(blank, Given(data))
        found.told = made.content
        if made.flags & EPHEMERAL:
            made.ephemeral_for = found.person.id
            found.response = made
        else:
            self.messages.post(made)
            found.response = made

    def of_webhook(self, application: str, token: str) -> Interaction:
        """The interaction whose token a follow-up names, while it holds: for 15 minutes from its first answer."""
        found = next((each for each in self.all.values() if each.token == token), None)
        if application != str(self.world.application) or found is None or not found.answer:
            raise Refused(404, 10015, "Unknown Webhook")
        if self.world.now() - found.at > TOKEN_S:
            raise Refused(401, 50027, "Invalid Webhook Token")
        return found

    def edit_answer(self, application: str, token: str, body: Object) -> Stored:
        """`PATCH /webhooks/{application}/{token}/messages/@original`."""
        found = self.of_webhook(application, token)
        if found.response is None:
            if found.answer == 6 and found.message is not None:
                return self.messages.edit(found.message, Given(body))
            self._say(found, body | ({"flags": EPHEMERAL} if found.ephemeral else {}))
            assert found.response is not None
            return found.response
        found.response.content = str(body.get("content") or "")
        found.told = found.response.content
        self.world.changes.tell()
        return found.response


def checked_form(data: Object) -> Object:
    """A modal: a title of 45, a custom id of 100, one to five labels with an input each."""
    if not 1 <= len(str(data.get("title") or "")) <= 45:
        raise invalid("data.title", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 45 in length.")
    if not 1 <= len(str(data.get("custom_id") or "")) <= 100:
        raise invalid("data.custom_id", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    rows = cast("list[Object]", data.get("components") or [])
    if not 1 <= len(rows) <= 5:
        raise invalid("data.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    for number, row in enumerate(rows):
        place = f"data.components.{number}"
        if row.get("type") != 18 or not 1 <= len(str(row.get("label") or "")) <= 45:
            raise invalid(place, "BASE_TYPE_BAD_LENGTH", "A label of 1 to 45 characters is needed.")
        text: Object = row.get("component") or {}
        if text.get("type") != 4 or text.get("style") not in (1, 2):
            raise invalid(f"{place}.component", "UNION_TYPE_CHOICES", "Only text inputs are known here.")
        if len(str(text.get("value") or "")) > min(4000, text.get("max_length") or 4000):
            raise invalid(f"{place}.component.value", "BASE_TYPE_MAX_LENGTH", "Must be 4000 or fewer in length.")
        if not 1 <= (text.get("max_length") or 4000) <= 4000:
            raise invalid(f"{place}.component.max_length", "NUMBER_TYPE_MAX", "Must be 4000 or less.")
        if len(str(text.get("placeholder") or "")) > 100:
            raise invalid(f"{place}.component.placeholder", "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.")
    return data
