"""The REST API, version 10: routes, authentication, limits, faults; and the files under signed addresses.

https://docs.discord.com/developers/reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from aiohttp import BodyPartReader, web

from tests.servers.discord import views
from tests.servers.discord.faults import Faults
from tests.servers.discord.gateway import DIRECT_MESSAGE_REACTIONS, GUILD_MESSAGE_REACTIONS, GUILDS, Gateway
from tests.servers.discord.interactions import Interactions
from tests.servers.discord.limits import Limits
from tests.servers.discord.messages import Given, Messages
from tests.servers.discord.refusals import Refused, invalid, missing
from tests.servers.discord.world import DM, FORUM, TEXT, THREAD, Guild, Object, Place, Stored, StoredFile, World

__all__ = ["Received", "Web"]

MAX_REQUEST = 25 * 1024 * 1024
NAME = re.compile(r"[-_'\w]{1,32}")


@dataclass(slots=True)
class Received:
    """One request, for those who look at them."""

    method: str
    path: str
    body: Object
    status: int = 0
    answer: Any = None


@dataclass(slots=True)
class Call:
    """A request, read."""

    params: dict[str, str]
    query: Callable[[str], str | None]
    given: Given = field(default_factory=lambda: Given({}))

    @property
    def body(self) -> Object:
        return self.given.body


Answer: TypeAlias = tuple[int, Any]
Handler: TypeAlias = Callable[[Call], Answer]


class Web:
    """Every route of the API that this server has; any other is a 404."""

    def __init__(self, world: World, gateway: Gateway, messages: Messages, interactions: Interactions) -> None:
        self.world, self.gateway, self.messages, self.interactions = world, gateway, messages, interactions
        self.limits, self.faults = Limits(), Faults()
        self.received: list[Received] = []
        self.invalid = 0
        """Requests that ended with 401, 403 or 429: ten thousand of them in ten minutes are a ban."""

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2 * MAX_REQUEST)
        message = "/channels/{channel}/messages/{message}"
        routes: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/users/@me", lambda call: (200, views.user(self.world.bot))),
            ("GET", "/users/@me/guilds", self._guilds),
            ("GET", "/guilds/{guild}/members/{user}", self._member),
            ("GET", "/guilds/{guild}/channels", self._channels),
            ("POST", "/users/@me/channels", self._open_dm),
            ("GET", "/applications/@me", self._application),
            ("GET", "/oauth2/applications/@me", self._application),
            ("GET", "/gateway/bot", self._gateway),
            ("GET", "/channels/{channel}", lambda call: (200, views.channel(self.world, self._seen(call)))),
            ("PATCH", "/channels/{channel}", self._change_channel),
            ("POST", "/channels/{channel}/typing", self._type),
            ("POST", "/channels/{channel}/threads", self._make_thread),
            ("POST", f"{message}/threads", self._make_thread),
            ("GET", "/channels/{channel}/messages", self._page),
            ("POST", "/channels/{channel}/messages", self._create),
            ("GET", message, lambda call: (200, self.messages.shown(self._message(call)))),
            ("PATCH", message, self._edit),
            ("DELETE", message, self._delete),
            ("PUT", f"{message}/reactions/{{emoji}}/@me", self._react),
            ("DELETE", f"{message}/reactions/{{emoji}}/@me", self._unreact),
            ("PUT", "/applications/{application}/commands", self._set_commands),
            ("GET", "/applications/{application}/commands", lambda call: (200, self.world.commands)),
            ("POST", "/interactions/{interaction}/{token}/callback", self._interact),
            ("PATCH", "/webhooks/{application}/{token}/messages/@original", self._edit_answer),
        )
        for method, path, handler in routes:
            app.router.add_route(method, f"/api/v10{path}", self._wrap(path, handler))
        app.router.add_get("/gateway/", self.gateway.serve)
        app.router.add_get("/attachments/{channel}/{file}/{name}", self._attachment)
        app.router.add_route("*", "/api/v10/{rest:.*}", self._wrap("/unknown", unknown))
        return app

    def _wrap(self, path: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            plain = request.path.removeprefix("/api/v10")
            call = Call(dict(request.match_info), request.query.get)
            record = Received(request.method, plain, {})
            self.received.append(record)
            interaction = path.startswith(("/interactions", "/webhooks"))
            headers: dict[str, str] = {}
            try:
                call.given = await self._read(request)
                record.body = call.body
                if not interaction and request.headers.get("Authorization") != f"Bot {self.gateway.token}":
                    raise Refused(401, 0, "401: Unauthorized")
                limit = self.limits.take(
                    f"{request.method} {path}", call.params.get("channel", ""), global_too=not interaction
                )
                headers = limit.headers
                status, answer = (429, limit.refused) if limit.refused else (0, None)
                if not status:
                    faulty = await self._trouble(request, f"{request.method} {plain}", call, handler)
                    status, answer = faulty if faulty is not None else handler(call)
            except Refused as exc:
                status, answer = exc.status, exc.body
            record.status, record.answer = status, answer
            self.invalid += status in (401, 403, 429)
            self.world.changes.tell()
            if status == 429 and "Via" not in headers:
                headers = headers | {
                    "Via": "1.1 google",
                    "Retry-After": whole(cast("Object", answer)["retry_after"]),
                }
            return reply(status, answer, headers)

        return handle

    async def _trouble(self, request: web.Request, name: str, call: Call, handler: Handler) -> Answer | None:
        """What goes wrong with this request; None: nothing."""
        fault = self.faults.next(name)
        match fault.kind if fault else "":
            case "lost" | "unseen":
                if fault and fault.kind == "lost":
                    handler(call)
                    self.world.changes.tell()
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionResetError
            case "status" if fault:
                return fault.status, {"message": f"{fault.status}: Server Error", "code": 0}
            case "flood" if fault:
                told: Object = {"message": "You are being rate limited.", "retry_after": fault.retry_after}
                return 429, told | {"global": fault.global_}
            case "garbage":
                return 200, "<html>hello</html>"
            case "hold" if fault:
                await fault.release.wait()
                return None
            case _:
                return None

    async def _read(self, request: web.Request) -> Given:
        if request.content_length and request.content_length > MAX_REQUEST:
            raise Refused(413, 40005, "Request entity too large")
        if request.content_type == "multipart/form-data":
            return await self._form(request)
        text = await request.text()
        try:
            body: Any = json.loads(text) if text else {}
        except ValueError:
            raise Refused(400, 50109, "The request body contains invalid JSON.") from None
        return Given(cast("Object", body) if isinstance(body, dict) else {"": body})

    async def _form(self, request: web.Request) -> Given:
        given, size = Given({}), 0
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            data = bytes(await part.read())
            size += len(data)
            if size > MAX_REQUEST:
                raise Refused(413, 40005, "Request entity too large")
            if part.name == "payload_json":
                given.body = json.loads(data)
            elif found := re.fullmatch(r"files\[([0-9]+)\]", part.name or ""):
                mime = guessed(part.filename or "")
                file = StoredFile(self.world.snowflake(), part.filename or "", data, mime)
                given.files[int(found[1])] = file
        return given

    # The bot itself.

    def _guilds(self, call: Call) -> Answer:
        return 200, [
            {"id": str(each.id), "name": each.name, "permissions": str(views.ALL), "owner": False, "features": []}
            for each in self.world.guilds.values()
        ]

    def _guild(self, call: Call) -> Guild:
        number = call.params["guild"]
        found = self.world.guilds.get(int(number)) if number.isdecimal() else None
        if found is None:
            raise missing("guild")
        return found

    def _member(self, call: Call) -> Answer:
        self._guild(call)
        person = self.world.people.get(int(call.params["user"]))
        if person is None:
            raise missing("user")
        return 200, {"user": views.user(person), "roles": [], "nick": None, "deaf": False, "mute": False, "flags": 0}

    def _channels(self, call: Call) -> Answer:
        """All of them, without threads, and also those that the bot does not see."""
        guild = self._guild(call)
        every = [each for each in self.world.places.values() if each.guild is guild and each.type != THREAD]
        return 200, [views.channel(self.world, each) for each in every]

    def _application(self, call: Call) -> Answer:
        flags = 1 << 19 if self.gateway.allowed & 1 << 15 else 0
        return 200, {
            "id": str(self.world.application),
            "name": self.world.bot.name,
            "flags": flags,
            "bot_public": False,
            "bot_require_code_grant": False,
            "description": "",
            "icon": None,
            "summary": "",
            "verify_key": "",
            "owner": views.user(self.world.bot),
            "team": None,
        }

    def _gateway(self, call: Call) -> Answer:
        limit = {"total": 1000, "remaining": 1000 - self.gateway.identifies, "reset_after": 0, "max_concurrency": 1}
        return 200, {"url": self.gateway.url, "shards": 1, "session_start_limit": limit}

    def _set_commands(self, call: Call) -> Answer:
        commands = call.body.get("", [])
        if call.params["application"] != str(self.world.application):
            raise missing("channel")
        for number, command in enumerate(commands):
            checked_command(str(number), command)
        self.world.commands = [
            command | {"id": str(self.world.snowflake()), "application_id": str(self.world.application), "version": "1"}
            for command in commands
        ]
        return 200, self.world.commands

    # Channels.

    def _place(self, call: Call) -> Place:
        number = call.params["channel"]
        place = self.world.places.get(int(number)) if number.isdecimal() else None
        if place is None:
            raise missing("channel")
        return place

    def _seen(self, call: Call) -> Place:
        place = self._place(call)
        self.messages.may(place, "VIEW_CHANNEL")
        return place

    def _open_dm(self, call: Call) -> Answer:
        number = str(call.body.get("recipient_id") or "")
        person = self.world.people.get(int(number)) if number.isdecimal() else None
        if person is None:
            raise missing("user")
        return 200, views.channel(self.world, self.world.direct(person))

    def _type(self, call: Call) -> Answer:
        place = self._seen(call)
        self.messages.may(place, "SEND_MESSAGES")
        place.typing += 1
        return 204, None

    def _change_channel(self, call: Call) -> Answer:
        place = self._seen(call)
        if place.type == THREAD:
            place.name = call.body.get("name", place.name)
            place.archived = call.body.get("archived", place.archived)
            place.locked = call.body.get("locked", place.locked)
            self.world.emit("THREAD_UPDATE", views.channel(self.world, place), GUILDS)
        return 200, views.channel(self.world, place)

    def _make_thread(self, call: Call) -> Answer:
        parent = self._seen(call)
        if parent.type != TEXT:
            raise Refused(400, 50024, "Cannot execute action on this channel type")
        name = str(call.body.get("name") or "")
        if not 1 <= len(name) <= 100:
            raise invalid("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
        number = int(call.params.get("message") or self.world.snowflake())
        thread = self.world.add(Place(number, THREAD, name, parent.guild, parent=parent))
        self.world.emit("THREAD_CREATE", views.channel(self.world, thread) | {"newly_created": True}, GUILDS)
        return 201, views.channel(self.world, thread)

    # Messages.

    def _message(self, call: Call) -> Stored:
        place = self._seen(call)
        self.messages.may(place, "READ_MESSAGE_HISTORY")
        return self.messages.found(place, call.params["message"])

    def _page(self, call: Call) -> Answer:
        return 200, [self.messages.shown(each) for each in self.messages.page(self._place(call), call.query)]

    def _create(self, call: Call) -> Answer:
        if self._place(call).type == FORUM:
            raise Refused(400, 50008, "Cannot send messages in a non-text channel")
        if call.given.files:
            self.messages.may(self._place(call), "ATTACH_FILES")
        return 200, self.messages.shown(self.messages.create(self._place(call), call.given))

    def _edit(self, call: Call) -> Answer:
        message = self.messages.found(self._seen(call), call.params["message"])
        return 200, self.messages.shown(self.messages.edit(message, call.given))

    def _delete(self, call: Call) -> Answer:
        self.messages.delete(self.messages.found(self._seen(call), call.params["message"]))
        return 204, None

    def _react(self, call: Call) -> Answer:
        message, emoji = self._message(call), call.params["emoji"]
        self.messages.may(message.place, "ADD_REACTIONS")
        if emoji.isascii():
            raise missing("emoji")
        if len(message.reactions) >= 20 and emoji not in message.reactions:
            raise Refused(400, 30010, "Maximum number of reactions reached (20)")
        message.reactions.setdefault(emoji, set()).add(self.world.bot.id)
        self._tell_reaction("MESSAGE_REACTION_ADD", message, emoji)
        return 204, None

    def _unreact(self, call: Call) -> Answer:
        message, emoji = self._message(call), call.params["emoji"]
        message.reactions.get(emoji, set()).discard(self.world.bot.id)
        self._tell_reaction("MESSAGE_REACTION_REMOVE", message, emoji)
        return 204, None

    def _tell_reaction(self, name: str, message: Stored, emoji: str) -> None:
        event: Object = {
            "user_id": str(self.world.bot.id),
            "channel_id": str(message.place.id),
            "message_id": str(message.id),
            "emoji": {"id": None, "name": emoji},
            "burst": False,
            "type": 0,
        }
        intent = DIRECT_MESSAGE_REACTIONS if message.place.type == DM else GUILD_MESSAGE_REACTIONS
        self.world.emit(name, event, intent)

    # Interactions and files.

    def _interact(self, call: Call) -> Answer:
        told = self.interactions.answer(call.params["interaction"], call.params["token"], call.body)
        return (200, told) if call.query("with_response") in ("1", "true", "True") else (204, None)

    def _edit_answer(self, call: Call) -> Answer:
        message = self.interactions.edit_answer(call.params["application"], call.params["token"], call.body)
        return 200, self.messages.shown(message)

    async def _attachment(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["file"])
        files = (file for place in self.world.places.values() for m in place.messages.values() for file in m.files)
        file = next((each for each in files if each.id == number), None)
        if file is None or not request.query.get("hm") or request.query.get("ex") == "0":
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=file.data, content_type=file.mime or "application/octet-stream")


def unknown(call: Call) -> Answer:
    return 404, {"message": "404: Not Found", "code": 0}


def reply(status: int, answer: Any, headers: dict[str, str]) -> web.Response:
    """The content type stands without a charset, as Discord's does: libraries compare it."""
    if status == 204:
        return web.Response(status=204, headers=headers)
    if isinstance(answer, str):
        return web.Response(status=status, text=answer, content_type="text/html", headers=headers)
    data = json.dumps(answer).encode()
    return web.Response(status=status, body=data, headers=headers | {"Content-Type": "application/json"})


def guessed(name: str) -> str:
    kinds = {"png": "image/png", "jpg": "image/jpeg", "txt": "text/plain; charset=utf-8", "ogg": "audio/ogg"}
    return kinds.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def checked_command(place: str, command: Object) -> None:
    """https://docs.discord.com/developers/interactions/application-commands#application-command-object."""
    name = str(command.get("name") or "")
    if not NAME.fullmatch(name) or name != name.lower():
        raise invalid(f"{place}.name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    if not 1 <= len(str(command.get("description") or "")) <= 100:
        raise invalid(f"{place}.description", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    options = cast("list[Object]", command.get("options") or [])
    if len(options) > 25:
        raise invalid(f"{place}.options", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    optional = False
    for option in options:
        checked_command(f"{place}.options", option | {"options": []})
        if option.get("required") and optional:
            kind = "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"
            raise invalid(f"{place}.options", kind, "Required options must be placed before non-required options")
        optional = optional or not option.get("required")


def whole(seconds: float | str) -> str:
    """Seconds as a header tells them; what is no number, as it is."""
    return seconds if isinstance(seconds, str) else str(round(seconds))
