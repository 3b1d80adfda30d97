"""A channel on Matrix's client-server API (https://spec.matrix.org), by matrix-nio, which is loaded when it runs."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
from msgspec.structs import replace

from bridge_mcp.core.entries import Attachment, Sender
from bridge_mcp.core.errors import ConfigError, FetchFailed, SendFailed, SendUncertain
from bridge_mcp.ports import (
    Capabilities,
    ChannelHealth,
    ChannelTraits,
    Clock,
    Edit,
    Ignored,
    Inbox,
    Incoming,
    Outgoing,
    OutgoingAction,
    Part,
    Reaction,
)

if TYPE_CHECKING:
    from nio import AsyncClient

__all__ = ["MatrixChannel", "MatrixSettings"]

MAX_TEXT = 16_000
"""Characters of one message: an event may have 65,536 bytes in all."""
SYNC_MS = 20_000
REQUEST_S = 30.0
PAUSE_S = 2.0
OVERLAP_MS = 60_000
"""Events before the offset that are read again: servers' clocks differ, and the same event is stored once."""
SETTLES_S = 600.0
"""How long homeservers remember transactions at least."""
SUBJECTS = r"[@!][^/\s#]{1,127}"
FINAL = ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_DEACTIVATED")


CAN = Capabilities(
    text_chars=MAX_TEXT,
    edits=True,
    edits_in=True,
    reactions=True,
    files_in=True,
    groups=True,
    typing=True,
    history=True,
    prompts=True,
    settles_s=SETTLES_S,
)
"""What this example can do: no markup, no buttons, and no files to send. Each file that comes in is a message."""


@dataclass(frozen=True, slots=True)
class MatrixSettings:
    """One user on a homeserver."""

    name: str
    homeserver: str
    user: str
    token: str = field(default="", repr=False)
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """One event to send, and the transaction by which the homeserver knows it again."""

    kind: str
    content: dict[str, Any]
    transaction: str
    event: str = ""
    """The message that it changes; "" for a new one."""


class MatrixChannel:
    """A `Channel` for one user of Matrix."""

    def __init__(self, settings: MatrixSettings, clock: Clock) -> None:
        self.traits = ChannelTraits(settings.name, "matrix", subjects=SUBJECTS, can=CAN)
        self._settings, self._clock = settings, clock
        self._health = ChannelHealth("starting")
        self._direct: dict[str, str] = {}
        """By person: the room with them alone."""

    async def run(self, inbox: Inbox) -> None:
        """See `ports.Channel`."""
        if self._settings.lacking:
            self._health = ChannelHealth("stopped", self._settings.lacking)
            raise ConfigError(self._settings.lacking)
        self._health = replace(self._health, state="starting", error="")
        try:
            async with self._client() as client:
                since, first = "", await inbox.offset(self.traits.name)
                while True:
                    answer: Any = await client.sync(timeout=SYNC_MS if since else 0, since=since or None)
                    if not hasattr(answer, "next_batch"):
                        await self._troubled(answer)
                        continue
                    # At the first look rooms tell their last messages: those behind the offset are of the time away.
                    await self._take(client, answer, inbox, after=None if since else first)
                    since = str(answer.next_batch)
                    self._health = ChannelHealth("ready", last_ok=self._clock.now(), account=self._settings.user)
        finally:
            self._health = replace(self._health, state="stopped")

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """See `ports.Channel`."""
        match action:
            case Outgoing(chat=chat, text=text, key=key):
                return tuple(Part(chat, said(each, f"{key}:{at}")) for at, each in enumerate(pieces(text)))
            case Edit(chat=chat, messages=messages, text=text):
                content: dict[str, Any] = {"msgtype": "m.text", "body": f"* {text[:MAX_TEXT]}"}
                content["m.new_content"] = {"msgtype": "m.text", "body": text[:MAX_TEXT]}
                content["m.relates_to"] = {"rel_type": "m.replace", "event_id": messages[0]}
                return (Part(chat, Piece("m.room.message", content, named(f"{messages[0]}:{text}"), messages[0])),)
            case Reaction():
                relates = {"rel_type": "m.annotation", "event_id": action.message, "key": action.emoji or "·"}
                token = named(f"{action.message}:{action.emoji}")
                return (Part(action.chat, Piece("m.reaction", {"m.relates_to": relates}, token, action.message)),)
            case _:
                raise TypeError("this channel has no topics, as it declares")

    async def send(self, part: Part) -> tuple[str, ...]:
        """See `ports.Channel`."""
        if self._settings.lacking:
            raise SendFailed(self._settings.lacking, retry_after_s=60.0)
        if not isinstance(part.body, Piece):
            raise TypeError(f"{part.body!r} was not made by this channel")
        piece = part.body
        try:
            with anyio.fail_after(REQUEST_S):
                async with self._client() as client:
                    room = await self._room(client, part.chat)
                    answer: Any = await client.room_send(room, piece.kind, piece.content, tx_id=piece.transaction)
        except (OSError, TimeoutError) as exc:
            raise SendUncertain(f"Matrix gave no answer ({type(exc).__name__}) for '{part.chat}'.") from exc
        if hasattr(answer, "event_id"):
            return (piece.event or str(answer.event_id),)
        wait = getattr(answer, "retry_after_ms", None)
        if wait:
            raise SendFailed("Matrix asks to wait.", retry_after_s=wait / 1000)
        raise SendFailed(f"Matrix did not take it for '{part.chat}': {answer}.", fix="Invite the bridge to the room.")

    async def show(self, chat: str, draft: int, text: str) -> None:
        """See `ports.Channel`."""
        if chat in self._direct or chat.startswith("!"):
            with anyio.move_on_after(2):
                async with self._client() as client:
                    await client.room_typing(self._direct.get(chat, chat), timeout=5_000)

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """See `ports.Channel`."""
        try:
            with anyio.fail_after(REQUEST_S):
                async with self._client() as client:
                    answer: Any = await client.download(mxc=attachment.ref)  # pyright: ignore[reportUnknownMemberType]
        except (OSError, TimeoutError, ValueError) as exc:
            raise FetchFailed(f"{attachment.name} could not be fetched ({type(exc).__name__}).") from exc
        body, response = getattr(answer, "body", None), getattr(answer, "transport_response", None)
        if getattr(response, "status", 0) != 200 or not isinstance(body, bytes) or len(body) > most:
            raise FetchFailed(f"{attachment.name} is not there, or larger than {most:,} bytes.")
        return body

    def health(self) -> ChannelHealth:
        """See `ports.Channel`."""
        return self._health

    # -- the inside --------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[AsyncClient]:
        from nio import AsyncClient, AsyncClientConfig

        config = AsyncClientConfig(max_limit_exceeded=0, max_timeouts=0, request_timeout=REQUEST_S)
        client = AsyncClient(self._settings.homeserver, self._settings.user, config=config)
        client.access_token, client.user_id = self._settings.token, self._settings.user
        try:
            yield client
        finally:
            with anyio.CancelScope(shield=True):
                await client.close()

    async def _troubled(self, answer: Any) -> None:
        code, told = str(getattr(answer, "status_code", "")), f"Matrix does not answer as it should: {answer}"
        if code in FINAL:
            self._health = ChannelHealth("stopped", told)
            raise ConfigError(f"channels.{self.traits.name}.token: Matrix does not accept it ({code}).")
        self._health = ChannelHealth("degraded", told, last_ok=self._health.last_ok)
        await anyio.sleep(PAUSE_S)

    async def _room(self, client: AsyncClient, chat: str) -> str:
        """The room of a chat, which goes by the person where they are alone with us."""
        if chat.startswith("@") and chat not in self._direct:
            raise SendFailed(f"There is no room with {chat} yet.", fix="Have them write to the bridge first.")
        return self._direct.get(chat, chat)

    async def _take(self, client: AsyncClient, answer: Any, inbox: Inbox, *, after: int | None) -> None:
        for room_id in list(answer.rooms.invite):
            await client.join(room_id)
        came: list[tuple[str, Incoming]] = []
        for room_id, room in answer.rooms.join.items():
            known = set(client.rooms[room_id].users) if room_id in client.rooms else set[str]()
            members = known - {self._settings.user}
            person = next(iter(members)) if len(members) == 1 else ""
            if person:
                self._direct[person] = room_id
            for event in room.timeline.events:
                known_as = client.rooms[room_id].user_name(event.sender) if room_id in client.rooms else None
                incoming = self._incoming(event, room_id, person, known_as or "")
                if incoming is not None and (after is None or (incoming.offset or 0) > after - OVERLAP_MS):
                    came.append((room_id, incoming))
        # In the order of their times, whatever their room: what is behind the offset has been stored, all of it.
        for room_id, incoming in sorted(came, key=lambda each: each[1].offset or 0):
            told = await inbox.put(incoming)
            if told:  # a stranger's code, which no log has
                content = {"msgtype": "m.notice", "body": told}
                once = named(f"{incoming.key}:told")
                await client.room_send(room_id, "m.room.message", content, tx_id=once)
        if await inbox.offset(self.traits.name) is None:
            await inbox.put(Ignored(self.traits.name, int(self._clock.now() * 1000)))

    def _incoming(self, event: Any, room: str, person: str, known_as: str) -> Incoming | None:
        """A message that somebody wrote; None for all else."""
        content = getattr(event, "source", {}).get("content", {})
        relates = content.get("m.relates_to", {})
        changed = str(relates.get("event_id", "")) if relates.get("rel_type") == "m.replace" else ""
        if event.sender == self._settings.user or "body" not in content or (relates and not changed):
            return None
        content = content.get("m.new_content", content) if changed else content
        url = str(content.get("url") or "")
        name = known_as or event.sender.partition(":")[0].removeprefix("@")
        files = (Attachment(url, name=str(content["body"]), mime=str(content.get("info", {}).get("mimetype", ""))),)
        return Incoming(
            channel=self.traits.name,
            chat=person or room,
            key=changed or event.event_id,
            edit=event.event_id if changed else "",
            sender=Sender(event.sender, name),
            text="" if url else str(content["body"]),
            at=event.server_timestamp / 1000,
            title=name if person else room,
            attachments=files if url else (),
            group=not person,
            addressed=bool(person) or self._settings.user in str(content["body"]),
            offset=event.server_timestamp,
        )


def pieces(text: str) -> list[str]:
    """A text as messages, cut behind words where that is possible."""
    found: list[str] = []
    while len(text) > MAX_TEXT:
        at = text.rfind(" ", MAX_TEXT // 2, MAX_TEXT) + 1 or MAX_TEXT
        found.append(text[:at])
        text = text[at:]
    return [*found, text or "…"]


def said(text: str, key: str) -> Piece:
    """A message."""
    return Piece("m.room.message", {"msgtype": "m.text", "body": text}, named(key))


def named(key: str) -> str:
    """A transaction's name, the same for the same thing."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]
