"""The people, chats and messages of a Telegram case on the shipped Bot API server, named as the file names them.

What a file says of a message is put into the update as it stands, so that a file can say what no honest server would.
"$chat:x" "$user:x" "$id:label" "$chatid:x" "$message:label" "$me" "$now" "$now+5" and "$x4097:a" are filled in.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from typing import Any, TypeAlias, cast

from tests.cases.transcripts import Transcript, short
from tests.servers.telegram import Chat, TelegramServer, User, png
from tests.servers.telegram.call import Upload
from tests.servers.telegram.media import media_fields
from tests.servers.telegram.state import ChatState, Content, MessageState, TopicState

__all__ = ["Stage"]

Object: TypeAlias = dict[str, Any]

FIRST_MESSAGE = 100
"""Messages of a group are numbered from here on; topics have lower numbers."""
ICON = 7_322_096
COMMAND = re.compile(r"/\w+(@\w+)?")
TEXTS = (("text", "entities"), ("caption", "caption_entities"))
KEPT_BY_EDITS = ("message_id", "date", "chat", "from")


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def stretch(text: str, of: str) -> Object:
    """Where a stretch of a text is, as Telegram counts."""
    return {"offset": units(text[: text.index(of)]), "length": units(of)}


class Stage:
    """Everything of one case.

    Args:
        server: up.
        case: the file.
        tell: where what happens is told.
    """

    def __init__(self, server: TelegramServer, case: Object, tell: Transcript) -> None:
        self._server, self._world, self._tell = server, server.world, tell
        self.users: dict[str, User] = {
            name: server.user(name.title(), username=name) for name in case.get("people", ["ann", "bob"])
        }
        self.chats: dict[str, Chat] = {}
        self.labels: dict[str, MessageState] = {}
        for name, wanted in case.get("chats", {}).items():
            self.chats[name] = self._chat(name, wanted)

    def _chat(self, name: str, wanted: Object) -> Chat:
        members = list(self.users.values())
        kind, bot = wanted.get("kind", "supergroup"), wanted.get("bot", "administrator")
        if kind == "channel":
            made = self._server.channel(name.title())
        elif kind == "group":
            made = self._server.group(name.title(), members, bot=bot)
        else:
            more = {key: wanted[key] for key in ("forum", "username") if key in wanted}
            made = self._server.supergroup(name.title(), members, bot=bot, **more)
        numbers = self._world.message_ids
        for number, title in wanted.get("topics", {}).items():
            topic = int(number)
            made.state.topics[topic] = TopicState(topic, title)
            numbers[made.id] = topic - 1
            body = {"forum_topic_created": {"name": title, "icon_color": ICON}, "is_topic_message": True}
            author = self._user(next(iter(self.users)))
            self._world.add_message(made.state, body | {"from": author, "message_thread_id": topic})
        numbers[made.id] = FIRST_MESSAGE
        return made

    def chat(self, name: str) -> ChatState:
        """A chat, or the private chat with a person, by the name that the file gives it."""
        if name in self.users:
            return self._world.private(self._world.users[self.users[name].id])
        return self.chats[name].state

    def _user(self, name: str) -> Object:
        return self._world.users[self.users[name].id].wire()

    # -- filling in --------------------------------------------------------------------------------------------

    def fill(self, value: Any) -> Any:
        """A value of the file with everything in it filled in."""
        if isinstance(value, dict):
            return {key: self.fill(each) for key, each in cast("Object", value).items()}
        if isinstance(value, list):
            return [self.fill(each) for each in cast("list[Any]", value)]
        return self._filled(value) if isinstance(value, str) else value

    def _filled(self, text: str) -> Any:
        if text == "$me":
            return self._world.bot.wire()
        if found := re.fullmatch(r"\$now([+-]\d+)?", text):
            return int(time.time()) + int(found[1] or 0)
        if found := re.fullmatch(r"\$(chat|chatid|user|message|id):(\w+)", text):
            return self._named(found[1], found[2])
        if found := re.fullmatch(r"\$x(\d+):(.+)", text, re.DOTALL):
            return repeated(found)
        text = re.sub(r"\$x(\d+)<(.+?)>", repeated, text, flags=re.DOTALL)
        return re.sub(r"\$conv:(\w+)", lambda found: self.conversation(found[1]), text)

    def _named(self, kind: str, name: str) -> Any:
        match kind:
            case "chat":
                return self.chat(name).wire()
            case "chatid":
                return self.chat(name).id
            case "user":
                return self._user(name)
            case "message":
                return self._world.shown(self.labels[name], with_reply=False)
            case _:
                return self.labels[name].id

    def conversation(self, name: str) -> str:
        """What the bridge calls a chat."""
        return f"tg/{self.chat(name).id}"

    # -- what comes in -----------------------------------------------------------------------------------------

    def say(self, *said: Object) -> None:
        """Messages or edits, all in the queue before a poll can take one."""
        with self._world.changes.lock:
            for each in said:
                self._say(each)
            self._world.changes.tell()

    def _say(self, said: Object) -> None:
        chat = self.chat(said.get("chat") or said["from"])
        body, contents = self._body(said)
        if body.get("is_topic_message"):
            self._in_topic(chat, body)
        if "edit_of" in said:
            state, kind = self.labels[said["edit_of"]], "edited_message"
            kept = {key: state.wire[key] for key in KEPT_BY_EDITS if key in state.wire}
            state.wire = kept | {"edit_date": int(time.time())} | body
        else:
            state, kind = self._world.add_message(chat, body), "message"
            state.contents = contents
        state.for_bot = True
        if chat.person:
            chat.person.started = True
        if "as" in said:
            self.labels[said["as"]] = state
        where = f"in {said.get('chat') or 'private'} from {said.get('from')}"
        told = {key: value for key, value in body.items() if key not in ("from", "reply_to_message")}
        self._push(said.get("kind", kind), self._world.shown(state), f"{state.id} {where}: {short(told, 300)}")

    def _in_topic(self, chat: ChatState, body: Object) -> None:
        """A topic is there once something stands in it; what replies to nothing there replies to what made it."""
        topic: int = body["message_thread_id"]
        chat.topics.setdefault(topic, TopicState(topic, f"Topic {topic}"))
        if topic in chat.messages:
            body.setdefault("reply_to_message", self._world.shown(chat.messages[topic], with_reply=False))

    def push(self, kind: str, payload: Object) -> None:
        """Any update."""
        with self._world.changes.lock:
            filled = self.fill(payload)
            self._push(kind, filled, short(filled, 300))
            self._world.changes.tell()

    def _push(self, kind: str, payload: Object, told: str) -> None:
        taken = self._world.queue.push(kind, payload)
        self._tell(f"TELEGRAM -> {kind} {told}" + ("" if taken else "  (NOT ASKED FOR by allowed_updates)"))

    def _body(self, said: Object) -> tuple[Object, list[Content]]:
        body: Object = self.fill(said["message"])
        contents: list[Content] = []
        if "file" in said:
            wire, content = self._file(said["file"])
            body |= wire
            contents.append(content)
        for name, key in TEXTS:
            if name in body:
                body |= marked(body[name], body.get(key), key, f"@{self._world.bot.username}")
        if said.get("reply_to"):
            body["reply_to_message"] = self._world.shown(self.labels[said["reply_to"]], with_reply=False)
        if "from" in said and "from" not in body and not said.get("no_from"):
            body["from"] = self._user(said["from"])
        return body, contents

    def _file(self, wanted: Object) -> tuple[Object, Content]:
        data = wanted.get("text", "").encode(wanted.get("encoding", "utf-8"))
        if "b64" in wanted:
            data = base64.b64decode(wanted["b64"])
        if "png" in wanted:
            data = png(*wanted["png"])
        if "bytes" in wanted:
            data = wanted["bytes"].encode("latin-1")
        upload = Upload(wanted.get("name", ""), wanted.get("mime", ""), data)
        content = self._world.files.add(wanted["kind"], upload)
        wire = media_fields(content, wanted.get("more", {}))
        for key in wanted.get("without", ()):
            wire[wanted["kind"]].pop(key, None)
        return wire, content

    def live(self, label: str, count: int, every_s: int) -> None:
        """So many edits of a live location."""
        state = self.labels[label]
        for index in range(count):
            moved = {
                "latitude": 52.5 + index * 0.0001, "longitude": 13.4 + index * 0.0001,
                "live_period": 3_600, "heading": index % 360,
            }  # fmt: skip
            with self._world.changes.lock:
                state.wire |= {"edit_date": int(time.time()) + (index * every_s if index > 1 else 0), "location": moved}
                self._world.queue.push("edited_message", self._world.shown(state))
                self._world.changes.tell()
        self._tell(f"TELEGRAM -> {count} edited_message of the live location")

    # -- what people do ----------------------------------------------------------------------------------------

    def do(self, wanted: Object) -> None:
        """Something that changes what the bot may do, or a reaction."""
        who, act = self.users[wanted["who"]], wanted["act"]
        match act:
            case "blocks":
                asyncio.run(who.blocks())
            case "unblocks":
                asyncio.run(who.unblocks())
            case "kicks":
                asyncio.run(self.chats[wanted["chat"]].kicks_bot(who))
            case "adds":
                asyncio.run(self.chats[wanted["chat"]].adds_bot(who))
            case "migrates":
                self.chats[wanted["as"]] = asyncio.run(self.chats[wanted["chat"]].migrates(who))
            case "reacts":
                state = self.labels[wanted["to"]]
                message = Chat(self._world, state.chat).message(state.id)
                asyncio.run(who.reacts(message, *wanted["emoji"]))
            case _:
                raise ValueError(f"Nobody can do {act!r}")
        self._tell(f"DO {wanted}")

    def press(self, wanted: Object) -> None:
        """Press a button of the bot's latest message that has some."""
        chat = self.chat(wanted["chat"])
        state = [each for each in chat.messages.values() if each.by_bot and each.wire.get("reply_markup")][-1]
        message = Chat(self._world, chat).message(state.id)
        pressed = asyncio.run(self.users[wanted["from"]].presses(message, wanted["button"]))
        self._tell(f"PRESS {wanted}")
        time.sleep(0.5)
        self._tell(f"  press answered: {pressed.answer}")

    # -- what stands in the chats ------------------------------------------------------------------------------

    def standing(self, chat: str, last: int) -> list[MessageState]:
        """The bot's last messages that were not deleted."""
        with self._world.changes.lock:
            found = [each for each in self.chat(chat).messages.values() if each.by_bot and not each.deleted]
        return found[-last:]

    def show(self, chat: str, last: int) -> None:
        """Tell how the bot's last messages stand."""
        for state in self.standing(chat, last):
            self._tell(f"SHOWN {state.id} {shown(state.wire)}")


def repeated(found: re.Match[str]) -> str:
    """A text said again until it has so many characters."""
    return (found[2] * int(found[1]))[: int(found[1])]


def marked(text: str, given: list[Object] | None, key: str, name: str) -> Object:
    """The entities of a text, those counted that the file says by their words, and those that Telegram itself finds."""
    entities: list[Object] = []
    for each in given or []:
        own = dict(each)
        if "of" in own:
            own |= stretch(text, own.pop("of"))
        entities.append(own)
    kinds = {each["type"] for each in entities}
    if name in text and "mention" not in kinds and "/" not in text.split("@")[0][-12:]:
        entities.insert(0, {"type": "mention", **stretch(text, name)})
    command = COMMAND.match(text) if key == "entities" else None
    if command and "bot_command" not in kinds:
        entities.insert(0, {"type": "bot_command", "offset": 0, "length": len(command[0])})
    return {key: entities} if entities or given is not None else {}


def shown(wire: Object) -> str:
    """A message's text, its size and its marks."""
    text = wire.get("text") or wire.get("caption") or ""
    data = text.encode("utf-16-le")
    marks: list[str] = []
    entities: list[Object] = wire.get("entities") or wire.get("caption_entities") or []
    for each in entities:
        words = data[2 * each["offset"] : 2 * (each["offset"] + each["length"])].decode("utf-16-le", "replace")
        url = f"<{each['url']}>" if each.get("url") else ""
        marks.append(f"{each['type']}={short(words, 60)!r}{url}")
    return f"({len(data) // 2} units): {short(text, 900)!r} {'; '.join(marks)}"
