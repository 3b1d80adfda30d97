"""Messages: made, edited, deleted and read, with all that Discord refuses.

https://docs.discord.com/developers/resources/message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from tests.servers.discord import views
from tests.servers.discord.gateway import DIRECT_MESSAGES, GUILD_MESSAGES
from tests.servers.discord.refusals import Refused, forbidden, invalid, missing
from tests.servers.discord.world import THREAD, Object, Person, Place, Stored, StoredFile, World

__all__ = ["MAX_CONTENT", "MAX_FILE", "Given", "Messages", "checked_rows"]

MAX_CONTENT, MAX_FILES = 2000, 10
MAX_FILE = 10 * 1024 * 1024
NONCE_S = 300.0
""""The past few minutes", in which a nonce is known again."""
SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS, EPHEMERAL, COMPONENTS_V2 = 1 << 2, 1 << 12, 1 << 6, 1 << 15
MENTION = re.compile(r"<@!?([0-9]+)>")
ROLE = re.compile(r"<@&([0-9]+)>")
ADDRESS = re.compile(r"(?<!<)https?://[^\s<>]+")


@dataclass(slots=True)
class Given:
    """What a request says of a message."""

    body: Object
    files: dict[int, StoredFile] = field(default_factory=dict[int, StoredFile])


class Messages:
    """The messages of all channels."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.base = ""
        """The address of the server, which attachments lie under."""
        self._nonces: dict[tuple[int, str], Stored] = {}
        self.repeats = 0
        """How often a nonce brought back the first message instead of a second one."""

    def shown(self, message: Stored) -> Object:
        return views.message(self.world, self.base, message)

    # For the bot.

    def create(self, place: Place, given: Given) -> Stored:
        """`POST /channels/{channel}/messages`."""
        self.may(place, "SEND_MESSAGES_IN_THREADS" if place.type == THREAD else "SEND_MESSAGES")
        if any(person.blocks_bot for person in place.people):
            raise forbidden(50007)
        if place.archived:
            if place.locked:
                raise Refused(400, 50083, "Thread is archived")
            place.archived = False
        body = given.body
        nonce = str(body["nonce"]) if body.get("nonce") is not None else ""
        if len(nonce) > 25:
            raise invalid("nonce", "NONCE_TYPE_TOO_LONG", "Must be 25 or fewer in length.")
        if nonce and body.get("enforce_nonce") and (known := self._known(place, nonce)):
            self.repeats += 1
            return known
        made = self.fill(Stored(self.world.snowflake(), place, self.world.bot, at=self.world.now(), nonce=nonce), given)
        if nonce:
            self._nonces[place.id, nonce] = made
        self.post(made)
        return made

    def _known(self, place: Place, nonce: str) -> Stored | None:
        found = self._nonces.get((place.id, nonce))
        return found if found is not None and self.world.now() - found.at < NONCE_S else None

    def fill(self, made: Stored, given: Given) -> Stored:
        """Check what is given, and put it into a message that is not there yet."""
        body = given.body
        made.content = content_of(body)
        made.flags = flags_of(body, SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | EPHEMERAL | COMPONENTS_V2)
        made.components = checked_rows(body.get("components") or [])
        if made.flags & COMPONENTS_V2 and made.content:
            raise invalid("content", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", "Content is not allowed.")
        made.files = self._files(made.place, given)
        if len(body.get("embeds") or []) > 10:
            raise invalid("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
        made.embeds = cast("list[Object]", body.get("embeds") or [])
        if not (made.content or made.files or made.embeds or made.components):
            raise Refused(400, 50006, "Cannot send an empty message")
        self._refer(made, body.get("message_reference"))
        self._mention(made, body.get("allowed_mentions"))
        if not made.flags & SUPPRESS_EMBEDS:
            self.world.unfurled += ADDRESS.findall(made.content)
        return made

    def _refer(self, made: Stored, reference: Any) -> None:
        if not reference:
            return
        made.reference = int(reference["message_id"])
        if made.reference not in made.place.messages:
            if reference.get("fail_if_not_exists", True):
                raise invalid("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
            made.reference = 0
        made.type = 19 if made.reference else 0

    def _mention(self, made: Stored, allowed: Any) -> None:
        """Who is named, and who of them is notified: by default all."""
        made.mentions = list(dict.fromkeys(int(each) for each in MENTION.findall(made.content)))
        parse = ["users", "roles", "everyone"] if allowed is None else allowed.get("parse", [])
        users: list[str] = [] if allowed is None else allowed.get("users", [])
        pings = {str(each) for each in made.mentions if "users" in parse or str(each) in users}
        if "everyone" in parse and re.search("@(everyone|here)", made.content):
            pings.add("everyone")
        if "roles" in parse:
            pings |= {f"role:{each}" for each in ROLE.findall(made.content)}
        replied = made.place.messages.get(made.reference)
        if replied is not None and (allowed is None or allowed.get("replied_user", False)):
            pings.add(str(replied.author.id))
            made.mentions.append(replied.author.id)
        made.pings = pings

    def _files(self, place: Place, given: Given) -> list[StoredFile]:
        named = given.body.get("attachments")
        for key, file in given.files.items():
            if len(file.data) > MAX_FILE:
                raise Refused(413, 40005, "Request entity too large")
            if not file.name:
                raise invalid(f"files.{key}", "BASE_TYPE_REQUIRED", "A file needs a name.")
        if len(given.files) > MAX_FILES:
            raise invalid("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
        if named is None:
            return list(given.files.values())
        for each in named:
            if int(each["id"]) not in given.files:
                raise invalid("attachments", "ATTACHMENT_NOT_FOUND", f"Attachment data cannot be found: {each['id']}")
        return [given.files[int(each["id"])] for each in named]

    def edit(self, message: Stored, given: Given) -> Stored:
        """`PATCH /channels/{channel}/messages/{message}`."""
        body = given.body
        if message.author is not self.world.bot and set(body) - {"flags"}:
            raise Refused(403, 50005, "Cannot edit a message authored by another user")
        if message.place.archived:
            raise Refused(400, 50083, "Thread is archived")
        if "content" in body:
            content = content_of(body)
            if not content and not message.files and not message.embeds:
                raise Refused(400, 50006, "Cannot send an empty message")
            message.content = content
            message.edited = self.world.now()
            self._mention(message, body.get("allowed_mentions"))
        if "components" in body:
            message.components = checked_rows(body["components"] or [])
        if "flags" in body:
            message.flags = message.flags & ~SUPPRESS_EMBEDS | flags_of(body, SUPPRESS_EMBEDS)
        if "attachments" in body:
            kept = {int(each["id"]) for each in body["attachments"]}
            message.files = [file for file in message.files if file.id in kept]
        if "content" in body and not message.flags & SUPPRESS_EMBEDS:
            self.world.unfurled += ADDRESS.findall(message.content)
        self.tell("MESSAGE_UPDATE", message)
        return message

    def delete(self, message: Stored) -> None:
        """`DELETE /channels/{channel}/messages/{message}`."""
        if message.author is not self.world.bot:
            raise forbidden()
        del message.place.messages[message.id]
        self._gone(message)

    def _gone(self, message: Stored) -> None:
        place = message.place
        data: Object = {"id": str(message.id), "channel_id": str(place.id)}
        if place.guild is not None:
            data["guild_id"] = str(place.guild.id)
        self.world.emit("MESSAGE_DELETE", data, GUILD_MESSAGES if place.guild else DIRECT_MESSAGES)
        self.world.changes.tell()

    def page(self, place: Place, query: Callable[[str], str | None]) -> list[Stored]:
        """`GET /channels/{channel}/messages`, newest first."""
        self.may(place, "VIEW_CHANNEL")
        limit = int(query("limit") or 50)
        if not 1 <= limit <= 100:
            raise invalid("limit", "NUMBER_TYPE_MAX", "int value should be less than or equal to 100.")
        if "READ_MESSAGE_HISTORY" in place.denied:
            return []
        every = sorted(each for each in place.messages if not place.messages[each].ephemeral_for)
        after, before = query("after"), query("before")
        if after is not None:
            every = [each for each in every if each > int(after)][:limit]
        elif before is not None:
            every = [each for each in every if each < int(before)][-limit:]
        else:
            every = every[-limit:]
        return [place.messages[each] for each in reversed(every)]

    def may(self, place: Place, *permissions: str) -> None:
        """Raise unless the bot may do this in a channel."""
        if place.guild is None:
            return
        denied = place.denied | (place.parent.denied if place.parent else set[str]())
        if "VIEW_CHANNEL" in denied:
            raise forbidden(50001)
        if any(each in denied for each in permissions):
            raise forbidden(50013)

    # For everybody.

    def post(self, made: Stored) -> None:
        """A message is there from now on."""
        made.place.messages[made.id] = made
        self.tell("MESSAGE_CREATE", made)

    def tell(self, name: str, message: Stored) -> None:
        """Tell the bot's sessions of a message."""
        if message.ephemeral_for:
            return
        data = self.shown(message)
        if message.nonce and name == "MESSAGE_CREATE":
            data["nonce"] = message.nonce
        if message.place.guild is not None:
            data["member"] = {"roles": [], "joined_at": views.instant(0.0), "deaf": False, "mute": False, "flags": 0}
        self.world.emit(name, data, GUILD_MESSAGES if message.place.guild else DIRECT_MESSAGES)
        self.world.changes.tell()

    def write(self, place: Place, author: Person, text: str, **more: Any) -> Stored:
        """Somebody else than the bot writes."""
        made = Stored(self.world.snowflake(), place, author, text, at=self.world.now())
        for name, value in more.items():
            setattr(made, name, value)
        made.mentions = list(dict.fromkeys([*map(int, MENTION.findall(text)), *made.mentions]))
        self.post(made)
        return made

    def remove(self, message: Stored) -> None:
        """Somebody deletes a message of theirs."""
        message.place.messages.pop(message.id, None)
        self._gone(message)

    def found(self, place: Place, number: str) -> Stored:
        """Raise if it is not there, or not readable."""
        self.may(place, "VIEW_CHANNEL")
        message = place.messages.get(int(number)) if number.isdecimal() else None
        if message is None:
            raise missing("message")
        return message


def content_of(body: Object) -> str:
    content = body.get("content") or ""
    if not isinstance(content, str):
        raise invalid("content", "STRING_TYPE_CONVERT", "Could not interpret a value as string.")
    if len(content) > MAX_CONTENT:
        raise invalid("content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.")
    return content.strip()


def flags_of(body: Object, allowed: int) -> int:
    flags = body.get("flags") or 0
    if not isinstance(flags, int) or flags & ~allowed:
        raise invalid("flags", "BITFIELD_INVALID", "Invalid flags.")
    return flags


def checked_rows(rows: list[Object]) -> list[Object]:
    """Action rows with buttons; https://docs.discord.com/developers/components/reference."""
    if len(rows) > 5:
        raise invalid("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    ids: set[str] = set()
    for number, row in enumerate(rows):
        place = f"components.{number}"
        if row.get("type") != 1:
            raise invalid(f"{place}.type", "UNION_TYPE_CHOICES", 'Value of field "type" must be one of (1,).')
        if not 1 <= len(row.get("components") or []) <= 5:
            raise invalid(f"{place}.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
        for index, button in enumerate(row["components"]):
            checked_button(f"{place}.components.{index}", button, ids)
    return rows


def checked_button(place: str, button: Object, ids: set[str]) -> None:
    if button.get("type") != 2 or button.get("style") not in (1, 2, 3, 4):
        raise invalid(f"{place}.type", "UNION_TYPE_CHOICES", "Only buttons with an id are known here.")
    if not 1 <= len(str(button.get("label") or "")) <= 80:
        raise invalid(f"{place}.label", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 80 in length.")
    custom = str(button.get("custom_id") or "")
    if not 1 <= len(custom) <= 100:
        raise invalid(f"{place}.custom_id", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    if custom in ids:
        raise invalid(
            f"{place}.custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated"
        )
    ids.add(custom)
