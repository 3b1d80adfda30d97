"""The methods of the Web API: https://docs.slack.dev/reference/methods. Each takes arguments, and answers as Slack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.servers.slack import blocks as kit
from tests.servers.slack.state import BOT, BOT_ID, BOT_TEAM, ChannelState, Json, Message, Workspace

__all__ = ["Methods", "Refused"]

MAX_TEXT = 40_000
SCOPES = (
    "app_mentions:read,channels:history,channels:read,chat:write,commands,files:read,files:write,groups:history,"
    "groups:read,im:history,im:read,im:write,mpim:history,mpim:read,reactions:read,reactions:write,users:read"
)
EMOJI = {"+1", "-1", "heart", "fire", "tada", "eyes", "white_check_mark", "x", "rocket", "thinking_face", "wave"}


class Refused(Exception):
    """`ok: false`."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.body: Json = {"ok": False, "error": error} | more


class Methods:
    """The methods that a bot calls, on one workspace."""

    def __init__(self, world: Workspace, tell: Callable[[Json], None], now: Callable[[], float]) -> None:
        self.world, self._tell, self._now = world, tell, now
        self.ephemeral: list[Json] = []
        self.statuses: list[Json] = []
        self.opened: list[Json] = []
        """Modals, as they were opened."""
        self.triggers: dict[str, float] = {}
        """When each trigger was handed out."""
        self.pings: list[str] = []
        self.previews: list[str] = []
        self.agent = True
        """Whether the app may stream and set statuses."""
        self.base = ""

    def call(self, method: str, given: Mapping[str, Any]) -> Json:
        """One request.

        Raises:
            Refused: `ok` is false.
        """
        found = getattr(self, f"do_{method.lower().replace('.', '_')}", None)
        if found is None:
            raise Refused("unknown_method", req_method=method)
        return {"ok": True} | found(dict(given))

    # -- who and where -----------------------------------------------------------------------------------------

    def do_auth_test(self, given: Json) -> Json:
        user = self.world.users[BOT]
        return {
            "url": "https://home.slack.com/",
            "team": "Home",
            "user": user.name.lower(),
            "team_id": BOT_TEAM,
            "user_id": BOT,
            "bot_id": BOT_ID,
            "is_enterprise_install": False,
        }

    def do_users_info(self, given: Json) -> Json:
        user = self.world.users.get(str(given.get("user")))
        if user is None:
            raise Refused("user_not_found")
        return {"user": user.wire()}

    def do_conversations_info(self, given: Json) -> Json:
        return {"channel": self._channel(given).wire()}

    def do_conversations_open(self, given: Json) -> Json:
        user = str(given.get("users") or "").split(",")[0]
        if user not in self.world.users:
            raise Refused("user_not_found")
        return {"channel": {"id": self.world.direct(user).id}, "already_open": True}

    def do_users_conversations(self, given: Json) -> Json:
        types = str(given.get("types") or "public_channel").split(",")
        kinds = {"im": "im", "mpim": "mpim", "channel": "public_channel", "group": "private_channel"}
        found = [
            each
            for each in self.world.channels.values()
            if BOT in each.members and kinds[each.kind] in types and not each.archived
        ]
        page, more = paged(found, given)
        return {"channels": [each.wire() for each in page], "response_metadata": {"next_cursor": more}}

    # -- messages ----------------------------------------------------------------------------------------------

    def do_chat_postmessage(self, given: Json) -> Json:
        channel = self._channel(given, post=True)
        message = self._said(given)
        thread = str(given.get("thread_ts") or "")
        if thread:
            parent = channel.messages.get(thread)
            if parent is None:
                raise Refused("thread_not_found")
            message.thread = parent.thread or thread
        message.metadata = checked_metadata(given)
        self._count(message, given)
        channel.messages[message.ts] = message
        wire = self.world.wire(channel, message, metadata=True)
        self._tell(self._event(channel, wire))
        return {"channel": channel.id, "ts": message.ts, "message": wire}

    def do_chat_postephemeral(self, given: Json) -> Json:
        channel = self._channel(given, post=True)
        if str(given.get("user")) not in channel.members:
            raise Refused("user_not_in_channel")
        said = self._said(given)
        self._count(said, given | {"unfurl_links": False, "unfurl_media": False})
        self.ephemeral.append({"channel": channel.id, "user": given["user"], "text": said.text})
        return {"message_ts": said.ts}

    def do_chat_update(self, given: Json) -> Json:
        channel = self._channel(given, post=True)
        message = self._message(channel, given.get("ts"))
        if not message.ours:
            raise Refused("cant_update_message")
        if message.streaming:
            raise Refused("streaming_state_conflict")
        before = self.world.wire(channel, message)
        said = self._said(given)
        message.text, message.blocks, message.edited = said.text, said.blocks, said.ts
        message.metadata = checked_metadata(given) or message.metadata
        self._count(said, given | {"unfurl_links": False, "unfurl_media": False})
        after = self.world.wire(channel, message)
        self._tell(
            {"type": "message", "subtype": "message_changed", "channel": channel.id, "hidden": True, "ts": said.ts}
            | {"message": after, "previous_message": before, "channel_type": channel.kind}
        )
        return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": after}

    def do_conversations_history(self, given: Json) -> Json:
        channel = self._channel(given)
        if BOT not in channel.members:
            raise Refused("not_in_channel")
        found = [each for each in self._between(channel, given) if not each.thread]
        page, more = paged(list(reversed(found)), given)
        metadata = truthy(given.get("include_all_metadata"))
        return {
            "messages": [self.world.wire(channel, each, metadata=metadata) for each in page],
            "has_more": bool(more),
            "pin_count": 0,
            "response_metadata": {"next_cursor": more},
        }

    def do_conversations_replies(self, given: Json) -> Json:
        channel = self._channel(given)
        parent = channel.messages.get(str(given.get("ts")))
        if parent is None or parent.deleted:
            raise Refused("thread_not_found")
        root = parent.thread or parent.ts
        found = [each for each in self._between(channel, given) if each.thread == root]
        page, more = paged(found, given)
        metadata = truthy(given.get("include_all_metadata"))
        every = [channel.messages[root], *page]  # the first message comes with every page
        return {
            "messages": [self.world.wire(channel, each, metadata=metadata) for each in every],
            "has_more": bool(more),
            "response_metadata": {"next_cursor": more},
        }

    # -- reactions ---------------------------------------------------------------------------------------------

    def do_reactions_add(self, given: Json) -> Json:
        message, name = self._message(self._channel(given), given.get("timestamp")), str(given.get("name"))
        if name not in EMOJI:
            raise Refused("invalid_name")
        if BOT in message.reactions.setdefault(name, []):
            raise Refused("already_reacted")
        message.reactions[name].append(BOT)
        return {}

    def do_reactions_remove(self, given: Json) -> Json:
        message, name = self._message(self._channel(given), given.get("timestamp")), str(given.get("name"))
        if BOT not in message.reactions.get(name, ()):
            raise Refused("no_reaction")
        message.reactions[name].remove(BOT)
        if not message.reactions[name]:
            del message.reactions[name]
        return {}

    def do_reactions_get(self, given: Json) -> Json:
        channel = self._channel(given)
        message = self._message(channel, given.get("timestamp"))
        return {"type": "message", "channel": channel.id, "message": self.world.wire(channel, message)}

    # -- modals, statuses, streams -----------------------------------------------------------------------------

    def do_views_open(self, given: Json) -> Json:
        begun = self.triggers.pop(str(given.get("trigger_id")), None)
        if begun is None:
            raise Refused("exchanged_trigger_id")
        if self._now() - begun > 3:
            raise Refused("expired_trigger_id")
        view: Json = given["view"]
        if told := kit.view_problems(view):
            raise Refused("invalid_arguments", response_metadata={"messages": [f"[ERROR] {told}"]})
        opened = view | {"id": self.world.id("V"), "team_id": BOT_TEAM, "app_id": "A0BRIDGE0", "bot_id": BOT_ID}
        self.opened.append(opened)
        return {"view": opened}

    def do_assistant_threads_setstatus(self, given: Json) -> Json:
        if not self.agent:
            raise Refused("missing_scope", needed="assistant:write,chat:write", provided=SCOPES)
        channel = self._channel({"channel": given.get("channel_id")})
        self._message(channel, given.get("thread_ts"))
        self.statuses.append({"channel": channel.id, "thread": given["thread_ts"], "status": given.get("status")})
        return {}

    def do_chat_startstream(self, given: Json) -> Json:
        if not self.agent:
            raise Refused("missing_scope", needed="chat:write", provided=SCOPES)
        channel = self._channel(given, post=True)
        if not given.get("thread_ts"):
            raise Refused("invalid_arguments")
        parent = self._message(channel, given["thread_ts"])
        if channel.kind != "im" and not (given.get("recipient_user_id") and given.get("recipient_team_id")):
            raise Refused("missing_recipient_user_id")
        message = Message(self.world.ts(), BOT, thread=parent.thread or parent.ts, streaming=True)
        message.markdown = streamed(given)
        channel.messages[message.ts] = message
        return {"channel": channel.id, "ts": message.ts}

    def do_chat_appendstream(self, given: Json) -> Json:
        channel = self._channel(given)
        message = self._message(channel, given.get("ts"))
        if not message.streaming:
            raise Refused("message_not_in_streaming_state")
        message.markdown += streamed(given)
        return {"channel": channel.id, "ts": message.ts}

    def do_chat_stopstream(self, given: Json) -> Json:
        channel = self._channel(given)
        message = self._message(channel, given.get("ts"))
        if not message.streaming:
            raise Refused("message_not_in_streaming_state")
        message.streaming = False
        message.markdown += streamed(given)
        message.text = message.markdown
        return {"channel": channel.id, "ts": message.ts, "message": self.world.wire(channel, message)}

    # -- what they share ---------------------------------------------------------------------------------------

    def _channel(self, given: Json, *, post: bool = False) -> ChannelState:
        wanted = str(given.get("channel") or "")
        if post and wanted in self.world.users and wanted != BOT:
            return self.world.direct(wanted)
        channel = self.world.channels.get(wanted)
        if channel is None:
            raise Refused("channel_not_found")
        if post and channel.archived:
            raise Refused("is_archived")
        if post and BOT not in channel.members:
            raise Refused("not_in_channel" if channel.kind == "channel" else "channel_not_found")
        return channel

    def _message(self, channel: ChannelState, ts: Any) -> Message:
        found = channel.messages.get(str(ts))
        if found is None or found.deleted:
            raise Refused("message_not_found")
        return found

    def _said(self, given: Json) -> Message:
        """The text and blocks of a request."""
        text, blocks = str(given.get("text") or ""), list[Json](given.get("blocks") or [])
        if not text and not blocks:
            raise Refused("no_text")
        if len(text) > MAX_TEXT:
            raise Refused("msg_too_long")
        if told := kit.wrong(blocks):
            raise Refused("invalid_blocks", response_metadata={"messages": [f"[ERROR] {told}"]})
        if kit.length(blocks) > kit.MAX_TOGETHER:
            raise Refused("msg_blocks_too_long")
        return Message(self.world.ts(), BOT, text, blocks)

    def _count(self, message: Message, given: Json) -> None:
        """Whom the message calls, and what Slack fetches for it."""
        self.pings += kit.pings(message.text, message.blocks)
        if truthy(given.get("link_names")):
            self.pings += [word for word in message.text.split() if word.startswith("@")]
        if given.get("unfurl_media") is not False or given.get("unfurl_links") is not False:
            self.previews += kit.links(message.text, message.blocks)

    def _between(self, channel: ChannelState, given: Json) -> list[Message]:
        oldest, latest = str(given.get("oldest") or "0"), str(given.get("latest") or "9" * 10)
        inclusive = truthy(given.get("inclusive"))
        return [
            each
            for each in channel.messages.values()
            if not each.deleted and (oldest < each.ts < latest or (inclusive and each.ts in (oldest, latest)))
        ]

    def _event(self, channel: ChannelState, wire: Json) -> Json:
        plain = {key: value for key, value in wire.items() if key != "metadata"}
        return plain | {"channel": channel.id, "channel_type": channel.kind}


def paged(found: Sequence[Any], given: Json) -> tuple[list[Any], str]:
    """One page, and the cursor of the next; "" at the end."""
    begin, limit = int(str(given.get("cursor") or "0")), min(999, int(given.get("limit") or 100))
    more = begin + limit < len(found)
    return list(found[begin : begin + limit]), str(begin + limit) if more else ""


def truthy(value: Any) -> bool:
    return value in (True, 1, "1", "true", "True")


def streamed(given: Json) -> str:
    text = str(given.get("markdown_text") or "")
    if len(text) > 12_000:
        raise Refused("msg_too_long")
    return text


def checked_metadata(given: Json) -> Json | None:
    """https://docs.slack.dev/messaging/message-metadata"""
    metadata = given.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not metadata.get("event_type") or "event_payload" not in metadata:  # pyright: ignore[reportUnknownMemberType]
        raise Refused("invalid_metadata_format")
    return dict[str, Any](metadata)  # pyright: ignore[reportUnknownArgumentType]
