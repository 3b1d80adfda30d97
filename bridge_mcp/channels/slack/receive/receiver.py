"""Puts what came in into the inbox, however it came, and tells people what the inbox answers.

Nothing is acknowledged before `take` returns. One thing is taken after the other, so that a chat keeps its order.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskGroup
from cachetools import LRUCache
from msgspec.structs import replace

from bridge_mcp.channels.slack.places import micros
from bridge_mcp.channels.slack.receive.events import Events, OwnMessage
from bridge_mcp.channels.slack.send.drafts import Drafts
from bridge_mcp.channels.slack.text.mrkdwn import escaped
from bridge_mcp.channels.slack.values import inner, listed
from bridge_mcp.channels.slack.web import SlackFault, SlackWeb
from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.ports import ButtonPress, Form, Ignored, Inbox, Incoming

__all__ = ["Receiver"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
SEEN = 4096
"""Events that are known again by their ids; what is older is known again by the store."""
MAX_INPUT = 3_000
"""Characters of a form's field: https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element."""
MAX_TITLE = 24
"""Characters of a form's title: https://docs.slack.dev/reference/views/modal-views."""
FORM = "bridge_form"


class Receiver:
    """Takes events and interactions, in order."""

    def __init__(self, web: SlackWeb, inbox: Inbox, events: Events, drafts: Drafts, tasks: TaskGroup) -> None:
        self._web, self._inbox, self._events, self._drafts, self._tasks = web, inbox, events, drafts, tasks
        self._name = web.settings.name
        self._one_by_one = anyio.Lock()
        self._seen: LRUCache[str, None] = LRUCache(SEEN)
        self.advances = False
        """Whether the offset moves: not while messages of a gap may still be missing."""
        self._offset = 0

    async def begin(self, offset: int) -> None:
        """Set where the stream of messages stands."""
        self._offset = max(self._offset, offset)
        await self._inbox.put(Ignored(self._name, self._offset))

    async def take(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Store one event or interaction, of the kinds of envelopes.

        Raises:
            BridgeError: it is not stored.
        """
        async with self._one_by_one:
            match kind:
                case "events_api":
                    await self._event(payload)
                case "slash_commands":
                    if (command := await self._legible(self._events.command(payload))) is not None:
                        await self._say(command, str(payload["channel_id"]), "")
                case "interactive":
                    await self._interaction(payload)
                case _:
                    logger.debug("channel %s: nothing is done with %s", self._name, kind)

    async def message(self, event: Mapping[str, Any], team: str) -> None:
        """Store a message of the history, as if it had come as an event."""
        async with self._one_by_one:
            await self._arrival(event, team)

    async def _event(self, payload: Mapping[str, Any]) -> None:
        number = str(payload.get("event_id") or "")
        if number and number in self._seen:
            return
        await self._arrival(inner(payload, "event"), str(payload.get("team_id") or ""))
        self._seen[number] = None

    async def _arrival(self, event: Mapping[str, Any], team: str) -> None:
        try:
            arrival = await self._events.read(event, team)
        except (KeyError, TypeError, ValueError, AttributeError):
            logger.exception("channel %s: an event cannot be read, and is left out", self._name)
            return
        if isinstance(arrival, Incoming):
            self._drafts.heard(arrival.chat, arrival.sender.id)
            ts, thread = str(event.get("ts") or ""), arrival.chat.partition("/")[2]
            offset = None if arrival.edit or not self.advances else max(self._offset, micros(arrival.key))
            await self._say(replace(arrival, offset=offset), str(event.get("channel") or ""), thread or ts)
            self._offset = offset or self._offset
        elif arrival is not None:
            await self._inbox.put(arrival)

    async def _say(self, incoming: Incoming, channel: str, thread: str) -> None:
        """Store a message; tell its sender what the inbox answers."""
        if answer := await self._inbox.put(incoming):
            self._tasks.start_soon(self._tell, incoming, channel, thread, answer)

    async def _legible(self, reading: Coroutine[Any, Any, T]) -> T | None:
        """What is read; None, with a warning, where it is not as documented: it would not be the next time either."""
        try:
            return await reading
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            logger.warning("channel %s: something cannot be read, and is left out (%s)", self._name, type(exc).__name__)
            return None

    async def _interaction(self, payload: Mapping[str, Any]) -> None:
        match payload.get("type"):
            case "block_actions":
                for action in listed(payload, "actions"):
                    if action.get("type") == "button" and action.get("value"):
                        await self._pressed(payload, str(action["value"]))
            case "view_submission" if inner(payload, "view").get("callback_id") == FORM:
                await self._written(payload)
            case _:
                pass

    async def _pressed(self, payload: Mapping[str, Any], token: str) -> None:
        message, box = inner(payload, "message"), inner(payload, "container")
        channel = str(inner(payload, "channel").get("id") or box.get("channel_id") or "")
        ts, thread = str(message.get("ts") or box.get("message_ts") or ""), str(message.get("thread_ts") or "")
        where = OwnMessage(channel, ts, "" if thread == ts and channel.startswith("D") else thread)
        press = await self._legible(self._events.press(payload, token, where))
        if press is None:
            return
        form = await self._inbox.form(press)
        if form is not None:
            self._tasks.start_soon(self._open, str(payload.get("trigger_id") or ""), form, press, where)
        else:
            await self._press(press, where)

    async def _written(self, payload: Mapping[str, Any]) -> None:
        """What was written into a form: its place stands in the form, its words in its one field."""
        view = inner(payload, "view")
        try:
            metadata = inner({"kept": read_json(str(view.get("private_metadata") or "").encode())}, "kept")
        except BadJSON:
            return
        where = OwnMessage(*(str(metadata.get(each) or "") for each in ("channel", "message", "thread")))
        field = inner(inner(inner(inner(view, "state"), "values"), "words"), "words")
        words = str(field.get("value") or "")
        press = await self._legible(self._events.press(payload, str(metadata.get("token") or ""), where, words))
        if press is not None:
            await self._press(press, where)

    async def _press(self, press: ButtonPress, where: OwnMessage) -> None:
        if answer := await self._inbox.put(press):
            self._tasks.start_soon(self._whisper, where.channel, where.thread, press.sender.id, answer)

    # -- what people are told outside of any log -----------------------------------------------------------------

    async def _open(self, trigger: str, form: Form, press: ButtonPress, where: OwnMessage) -> None:
        """Open a form, within the three seconds that the press allows."""
        if len(form.text) > MAX_INPUT:
            refusal = f"That is too long for a form here ({len(form.text):,} characters; {MAX_INPUT:,} fit)."
            await self._whisper(where.channel, where.thread, press.sender.id, refusal)
            return
        metadata = {"channel": where.channel, "message": where.message, "thread": where.thread, "token": press.token}
        view = {
            "type": "modal",
            "callback_id": FORM,
            "private_metadata": json.dumps(metadata),
            "title": {"type": "plain_text", "text": form.title[:MAX_TITLE]},
            "submit": {"type": "plain_text", "text": "Send"},
            "close": {"type": "plain_text", "text": "Cancel"},
            "blocks": [
                {
                    "type": "input",
                    "block_id": "words",
                    "optional": not form.wanted,
                    "label": {"type": "plain_text", "text": form.label},
                    "element": {
                        "type": "plain_text_input",
                        "action_id": "words",
                        "multiline": True,
                        **({"initial_value": form.text} if form.text else {}),
                    },
                }
            ],
        }
        try:
            await self._web.call(self._web.client.views_open, trigger_id=trigger, view=view)
        except SlackFault as fault:
            logger.warning("channel %s: a form could not be opened: %s", self._name, fault)

    async def _whisper(self, channel: str, thread: str, who: str, text: str) -> None:
        """Show a text to one person only (`chat.postEphemeral`)."""
        await self._quietly(
            self._web.client.chat_postEphemeral,
            channel=channel,
            user=who.partition(".")[2],
            text=escaped(text),
            thread_ts=thread or None,
        )

    async def _tell(self, incoming: Incoming, channel: str, thread: str, text: str) -> None:
        """Answer a message outside of any log; in a group below it, so that it is clear who is meant."""
        await self._quietly(
            self._web.client.chat_postMessage,
            channel=channel,
            text=escaped(text),
            thread_ts=(thread or None) if incoming.group or "/" in incoming.chat else None,
            unfurl_links=False,
            unfurl_media=False,
            link_names=False,
        )

    async def _quietly(self, method: Any, **arguments: object) -> None:
        try:
            try:
                await self._web.call(method, **arguments)
            except SlackFault as fault:
                if fault.retry_after_s is None:
                    raise
                await anyio.sleep(fault.retry_after_s)
                await self._web.call(method, **arguments)
        except SlackFault as fault:
            logger.warning("channel %s: somebody could not be told something: %s", self._name, fault)
