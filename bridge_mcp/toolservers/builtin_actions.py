"""The assistant's own tools of the bridge: whoami, send_message, ask_user, remind.

Each is a tool like any other, subject to approvals. Its effect is an entry with an idempotency key made of the call, so
that a call that a crash interrupted can be repeated safely. They know chats by the ports of the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from bridge_mcp.core.address import Address
from bridge_mcp.core.capabilities import check_post
from bridge_mcp.core.entries import CALLS, Attachment, Button, Posted, Question, Scheduled, message_id
from bridge_mcp.core.errors import BadInput, NotFound, NotPaired
from bridge_mcp.core.policy import principals_behind
from bridge_mcp.core.projections import ASSISTANT, Message
from bridge_mcp.core.tools import JSON, ToolResult, canonical
from bridge_mcp.ports import CallContext, ChannelTraits, Clock, Store
from bridge_mcp.toolservers.builtin import BuiltinTool, builtin

__all__ = ["BuiltinActions"]

LOOK_BACK = 50
"""The newest messages that are searched for files and people."""

SOONEST_S, LATEST_S = 1.0, 366 * 24 * 3600.0

TEXT: JSON = {"type": "string", "minLength": 1, "maxLength": 20_000}


class BuiltinActions(Struct, frozen=True):
    """The tools. `outbox` returns a file below an outbox folder, or raises `BadInput`."""

    store: Store
    traits: Mapping[str, ChannelTraits]
    clock: Clock
    outbox: Callable[[str], Awaitable[Attachment]]

    def tools(self) -> tuple[BuiltinTool, ...]:
        """All of them, in the order in which models see them."""
        return (self._whoami(), self._send_message(), self._ask_user(), self._remind())

    def _whoami(self) -> BuiltinTool:
        description = "Where you are: this chat, who writes here, and the files that came with its last messages."
        return builtin("whoami", description, object_schema({}), self.whoami, read_only=True, free=True)

    def _send_message(self) -> BuiltinTool:
        description = (
            "Send a message to a chat that is paired with this bridge (channel/chat_id). Not for answering here: what "
            "you say is sent here anyway. `files`: ids of files as bridge__whoami lists them, or names in the outbox."
        )
        files: JSON = {"type": "array", "items": {"type": "string", "maxLength": 1000}, "maxItems": 10}
        text: JSON = {"type": "string", "maxLength": 20_000}
        schema = object_schema(
            {"conversation": {"type": "string"}, "text": text, "files": files}, "conversation", "text"
        )
        return builtin("send_message", description, schema, self.send_message, destructive=False, idempotent=True)

    def _ask_user(self) -> BuiltinTool:
        description = (
            "Ask the people of this chat something, and get their answer as the result, however long that takes."
        )
        choices: JSON = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 200}, "maxItems": 20}
        hours: JSON = {"type": "number", "exclusiveMinimum": 0, "maximum": 8784, "description": "24 unless you say so."}
        schema = object_schema({"question": TEXT, "choices": choices, "expires_h": hours}, "question")
        return builtin("ask_user", description, schema, self.ask_user, destructive=False, idempotent=True, free=True)

    def _remind(self) -> BuiltinTool:
        description = "Have yourself reminded here after some time: the text comes back to you as a message."
        seconds: JSON = {"type": "number", "minimum": SOONEST_S, "maximum": LATEST_S}
        schema = object_schema({"text": TEXT, "in_s": seconds}, "text", "in_s")
        return builtin("remind", description, schema, self.remind, destructive=False, idempotent=True, free=True)

    # -- what they run ----------------------------------------------------------------------------------------

    async def whoami(self, arguments: Mapping[str, JSON], context: CallContext) -> ToolResult:
        """The conversation, its channel and title, the caller, and the people and files of its newest messages."""
        conversation = await self.store.history.conversation(context.conversation)
        messages = await self.store.history.messages(context.conversation, limit=LOOK_BACK)
        people = {m.author.id: m.author.name for m in messages if m.direction == "in"}
        body: dict[str, JSON] = {
            "conversation": context.conversation,
            "channel": Address.of(context.conversation).channel,
            "title": conversation.title if conversation else "",
            "asked_by": context.caller,
            "people": [{"id": each, "name": name} for each, name in people.items()],
            "files": [file for message in messages for file in files_of(message)],
        }
        return ToolResult(canonical(body), structured=canonical(body))

    async def send_message(self, arguments: Mapping[str, JSON], context: CallContext) -> ToolResult:
        """Queue a message. Raises NotFound, NotPaired or BadInput."""
        conversation, text = str(arguments.get("conversation") or ""), str(arguments.get("text") or "")
        refs = arguments.get("files") or []
        names = [str(each) for each in refs] if isinstance(refs, list) else []
        await self._open(conversation)
        if not text.strip() and not names:
            raise BadInput("The message is empty.", fix="Pass a text, or at least one file.")
        files = tuple([await self._file(context, name) for name in names])
        channel = Address.of(conversation).channel
        check_post(channel, self.traits[channel].can, files=files)
        posted = Posted(text, ASSISTANT, key=f"call:{context.conversation}#{context.call}", files=files)
        (recorded,) = await self.store.log.record(conversation, posted)
        return ToolResult(f"Queued as {message_id(conversation, recorded.seq)}.")

    async def ask_user(self, arguments: Mapping[str, JSON], context: CallContext) -> ToolResult:
        """Post a question in the call's own chat; the answer becomes the result later. Raises BadInput."""
        check_in_chat(context)
        labels = arguments.get("choices") or []
        choices = tuple([str(each) for each in labels]) if isinstance(labels, list) else ()
        if len(set(choices)) != len(choices):
            raise BadInput("Two of the choices are the same.", fix="Give each choice a text of its own.")
        hours = arguments.get("expires_h")
        expires_at = self.clock.now() + 3600 * (float(hours) if isinstance(hours, int | float) else 24.0)
        posted = Posted(
            str(arguments["question"]),
            ASSISTANT,
            key=f"asks:{context.call}",
            buttons=buttons_of(choices, context),
            question=Question(choices, expires_at, context.call),
        )
        await self.store.log.record(context.conversation, posted)
        return ToolResult("The answer comes later.", later=True)

    async def remind(self, arguments: Mapping[str, JSON], context: CallContext) -> ToolResult:
        """Schedule a message to the call's own chat. Raises BadInput for a client's own call."""
        check_in_chat(context)
        seconds = arguments["in_s"]
        due_at = self.clock.now() + (float(seconds) if isinstance(seconds, int | float) else SOONEST_S)
        call_hash = hashlib.sha256(f"{context.conversation}#{context.call}".encode()).hexdigest()[:24]
        scheduled = Scheduled(
            context.conversation,
            str(arguments["text"]),
            due_at,
            call=context.call,
            asked_by=principals_behind(context.caller),
        )
        await self.store.log.record(f"{CALLS}/bridge.{call_hash}", scheduled)
        return ToolResult(f"You will be reminded in {due_at - self.clock.now():.0f} s.")

    async def _open(self, conversation: str) -> None:
        """Raise NotFound or NotPaired unless messages may be sent to this conversation."""
        channel, chat, _ = Address.of(conversation)
        traits = self.traits.get(channel)
        if traits is None or not chat:
            names = ", ".join(self.traits) or "none"
            raise NotFound(f"There is no chat '{conversation[:80]}'.", fix=f"Write channel/chat_id; channels: {names}.")
        if traits.needs_pairing and not await self.store.access.find(channel, chat):
            raise NotPaired(f"'{conversation[:80]}' is not paired with this bridge.", fix="Only its owner can do that.")

    async def _file(self, context: CallContext, name: str) -> Attachment:
        """A file of this very chat, or one in the outbox."""
        id_, _, index = name.rpartition("/")
        conversation, _, seq = id_.rpartition("#")
        if not (index.isdecimal() and seq.isdecimal()):
            return await self.outbox(name)
        is_here = conversation == context.conversation
        message = await self.store.history.message(conversation, int(seq)) if is_here else None
        if message is None or int(index) >= len(message.attachments):
            raise NotFound(f"There is no file '{name[:80]}' in this chat.", fix="See bridge__whoami.")
        file = message.attachments[int(index)]
        ours = file.ref.startswith(("file:", "of:", "kept:"))
        ref = file.ref if ours else f"of:{Address.of(conversation).channel}:{file.ref}"
        return Attachment(ref, file.kind, file.mime, name=file.name, size=file.size)


def object_schema(properties: Mapping[str, JSON], *required: str) -> dict[str, JSON]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [*required],
        "additionalProperties": False,
    }


def buttons_of(choices: Sequence[str], context: CallContext) -> tuple[Button, ...]:
    """A button for each choice, with a token that nobody can guess and that is the same for the same call."""
    seed = f"{context.conversation}#{context.call}"
    return tuple(
        Button(choice, choice, hashlib.sha256(f"{seed}#{n}".encode()).hexdigest()[:20])
        for n, choice in enumerate(choices)
    )


def files_of(message: Message) -> list[JSON]:
    """The files of one message, each with the id by which it can be forwarded."""
    return [
        {"id": f"{message.id}/{index}", "kind": file.kind, "name": file.name, "mime": file.mime, "size": file.size}
        for index, file in enumerate(message.attachments)
    ]


def check_in_chat(context: CallContext) -> None:
    """Raise unless the call belongs to a chat.

    Raises:
        BadInput: it is a client's own.
    """
    if not context.conversation or context.conversation.startswith(f"{CALLS}/"):
        raise BadInput("This call belongs to no chat.", fix="Clients use the bridge's own tools: ask_user, run_turn.")
