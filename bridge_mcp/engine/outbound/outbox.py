"""Sends queued messages: one at a time per conversation, in order and part by part, beside the turns.

Recorded are: `sending` before the effect, each part that went out, then the outcome. A part that surely did not go out
is retried when the platform allows. A part that may have gone out is sent again where the platform knows a repeat (for
`Capabilities.settles_s`); elsewhere it is reported as uncertain and not sent again, and the later parts follow. The
last part of an approval prompt, which has its buttons, is sent only if all others surely went out: nobody approves what
they may not have seen.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Literal

import anyio
import anyio.abc
import anyio.to_thread

from bridge_mcp.core.address import Address
from bridge_mcp.core.backoff import Backoff, pause_s
from bridge_mcp.core.entries import LOGGED_TRIES, Delivered, Failed
from bridge_mcp.core.errors import BadInput, NewerSchema, SendFailed, SendUncertain, StoreError
from bridge_mcp.core.json_reader import whole_characters
from bridge_mcp.core.projections import Message
from bridge_mcp.core.safe_text import escape_markdown
from bridge_mcp.engine.outbound.uploads import Uploads
from bridge_mcp.engine.supervision import Pauses, TaskSupervisor, Troubles, error_line
from bridge_mcp.operations import chat_migrations, topic_titles
from bridge_mcp.operations.addresses import parse_message
from bridge_mcp.operations.approval_texts import asks_for
from bridge_mcp.operations.button_presses import PRESSED
from bridge_mcp.ports import Channel, Clock, Edit, Files, Outgoing, OutgoingAction, Part, Reaction, Store, TopicChange
from bridge_mcp.wakeup import Signal

__all__ = ["OutboxWorker"]

logger = logging.getLogger(__name__)

UNCONFIGURED_S = 300.0
"""How long a message waits before the next try if its channel is not in the config."""

LONG_TEXT = 20_000
"""Characters from which on a text is cut into parts on a worker thread."""
LONGEST_PAUSE_S = 60.0
"""Between two attempts at what surely did not go out, where the platform names no time."""

MAX_SENDS = 32

MAX_UNDELIVERED = 50
"""Conversations of which it is kept that their last message did not go out: `get_status` tells of them."""

MAX_REASON = 300
"""Characters of why."""

LOOK_AGAIN_S = 5.0
"""No wait is longer, even if nothing is due: clocks jump, and machines sleep."""

STRANDED_S = 5.0
"""How often to look for messages that are marked as being sent, and are not."""

UNREAD_ATTEMPTS = 10
"""How often a message is tried whose files or target cannot be read; some five minutes."""

LOOKING = "Looking for messages to send"

LOST = ""
"""Stands for the platform's id of a part whose fate is unknown."""

NOT_WHOLE = "A part of it may not have arrived, so its buttons were not sent. Decide it with bridge-mcp approvals."


class OutboxWorker:
    """Sends what is queued, at most one message per conversation at a time."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        clock: Clock,
        folders: Sequence[Path] = (),
        files: Files | None = None,
        supervisor: TaskSupervisor | None = None,
        quiet: Callable[[str, float], float] = lambda channel, now: 0.0,
        only: str = "",
    ) -> None:
        """`only` limits it to the messages of one channel, where other processes send those of the others."""
        self._store = store
        self._state = store.channel_state
        self._channels = channels
        self._clock = clock
        self._uploads = Uploads(folders, channels, store.approvals, files)
        self._supervisor = supervisor or TaskSupervisor(Troubles())
        self._quiet = quiet
        """Until when it is quiet on a channel; 0 where it is not."""
        self._only = only
        self._sending: set[str] = set()
        self._pauses = Pauses(self._supervisor, "Sending to {}")
        """Conversations whose first message could not be begun."""
        self._unbegun: dict[str, Message] = {}
        """By conversation: a message whose beginning could not be written for sure, and of which nothing went out."""
        self._search = Backoff()
        self._looked: float | None = None
        """When stranded messages were looked for last (monotonic)."""
        self._wake = Signal()

    async def run(self) -> None:
        """Until cancelled. A part that a dead engine was sending has an unknown fate, and is said to have."""
        if all(channel.traits.delivered_by_commit for channel in self._channels.values()):
            await self._supervisor.until_done(LOOKING, self._recover)
            await anyio.sleep_forever()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow)
            while True:
                await self._wake.wait(await self._look(tasks))

    async def _look(self, tasks: anyio.abc.TaskGroup) -> float:
        """Begin what is due; how long until there is something to look at again. A failure never ends what is sent."""
        try:
            await self._recover()
            looked, now, free = time.monotonic(), self._clock.now(), MAX_SENDS - len(self._sending)
            paused = self._pauses.at(looked)
            for place in self._unbegun.keys() - self._sending - paused:
                await self._postpone(self._unbegun[place], 0.0, "it could not be begun")
                del self._unbegun[place]
            skip = frozenset(self._sending | paused)
            due = await self._store.outbox.due(now, free, skip, self._only) if free > 0 else ()
            for message in due:
                self._sending.add(message.conversation)
                tasks.start_soon(self._deliver, message)
            following = await self._store.agenda.next_due(now)
        except Exception as exc:
            return self._supervisor.failed(LOOKING, exc, self._search)
        self._search.reset()
        self._supervisor.troubles.clear(LOOKING)
        ends = [LOOK_AGAIN_S, *self._pauses.left(looked)]
        ends += [] if following is None else [following - self._clock.now()]
        return max(0.0, min(ends))

    async def _recover(self) -> None:
        """Queue again what is marked as being sent and is not: its last part has an unknown fate, and is said to."""
        if self._looked is not None and time.monotonic() - self._looked < STRANDED_S:
            return
        for message in await self._store.outbox.stranded():
            if message.conversation in self._sending or message.conversation in self._unbegun:
                continue
            if self._only not in ("", Address.of(message.conversation).channel):
                continue
            if not self._settles(message):
                logger.warning("%s was being sent when that was interrupted: its part may have gone out", message.id)
                platform_ids = (*message.platform_ids, LOST)
                await self._store.outbox.progress(message.conversation, message.seq, message.parts + 1, platform_ids)
            await self._queue_again(message, message.attempts, 0.0, "the bridge was interrupted")
        self._looked = time.monotonic()

    def _settles(self, message: Message) -> bool:
        """Whether sending a part of it again settles whether it went out, and sends no second one."""
        channel = self._channels.get(Address.of(message.conversation).channel)
        if channel is None or message.kind != "message":
            return False
        return 0 <= self._clock.now() - message.at < channel.traits.can.settles_s

    async def _follow(self) -> None:
        with closing(self._store.agenda.watch()) as changes:
            self._wake.set()
            while True:
                await changes.wait()
                self._wake.set()

    async def _deliver(self, message: Message) -> None:
        """Send one message, and write down what came of it, however often that takes."""
        place = message.conversation
        try:
            await self._attempt(message)
            self._pauses.succeeded(place)
        except Exception as exc:
            self._pauses.failed(place, exc)
        finally:
            self._sending.discard(place)
            self._wake.set()

    async def _attempt(self, message: Message) -> None:
        channel = self._channels.get(Address.of(message.conversation).channel)
        if message.unreadable:
            await self._pass_over(message)
        elif channel is None:
            await self._postpone(message, UNCONFIGURED_S, "its channel is not in the config")
        elif await self._begin(message):
            outcome = await self._send(channel, message)
            await self._supervisor.until_done(f"Writing down what came of {message.id}", outcome)

    async def _begin(self, message: Message) -> bool:
        """Write down that it is about to be sent; whether it may be."""
        self._unbegun[message.conversation] = message
        begun = await self._store.outbox.begin(message.conversation, message.seq) is not None
        del self._unbegun[message.conversation]
        return begun

    async def _pass_over(self, message: Message) -> None:
        """A damaged message ends as failed; one of a newer bridge_mcp waits for that, and its chat with it.

        Raises:
            NewerSchema: it waits.
        """
        if message.newer:
            raise NewerSchema(message.unreadable)
        await self._store.log.record(message.conversation, Failed("deliver", message.seq, message.unreadable))

    async def _postpone(self, message: Message, pause_s: float, reason: str) -> None:
        until = self._clock.now() + pause_s
        await self._store.outbox.postpone(message.conversation, message.seq, until, reason)

    async def _queue_again(self, message: Message, tries: int, until: float, reason: str) -> None:
        """Write down that it was tried so often in vain, and when the next try is (epoch seconds)."""
        if tries <= LOGGED_TRIES:
            again = Failed("deliver", message.seq, reason, retry_at=until)
            await self._store.log.record(message.conversation, again)
        else:
            await self._store.outbox.postpone(message.conversation, message.seq, until, reason)

    async def _send(self, channel: Channel, message: Message) -> Callable[[], Awaitable[object]]:
        """Send what is left of a message; what is to be written of it. Whatever fails, there is an outcome."""
        growing = pause_s(message.attempts, 1.0, LONGEST_PAUSE_S)
        try:
            action = await self._action(message)
            parts = (await self._parts(channel, action))[message.parts :]
        except SendFailed as exc:
            return self._after_failure(message, exc, growing)
        except (StoreError, OSError) as exc:  # a file or a row could not be read: nothing went out
            again = growing if message.attempts < UNREAD_ATTEMPTS else None
            return self._after_failure(message, SendFailed(str(exc), retry_after_s=again), growing)
        except Exception as exc:
            logger.exception("%s: the message could not be made ready", message.id)
            return self._after_failure(message, SendFailed(f"It could not be made ready: {error_line(exc)}"), growing)
        try:
            platform_ids = await self._send_parts(channel, parts, message)
        except SendFailed as exc:
            return self._after_failure(message, exc, growing)
        return partial(self._record_delivered, message, platform_ids)

    async def _parts(self, channel: Channel, action: OutgoingAction) -> Sequence[Part]:
        """The parts of an action; those of a long text are made on a thread, for that takes a while."""
        if isinstance(action, Reaction | TopicChange) or len(action.text) <= LONG_TEXT:
            return channel.parts(action)
        return await anyio.to_thread.run_sync(channel.parts, action)

    def _after_failure(self, message: Message, exc: SendFailed, growing: float) -> Callable[[], Awaitable[object]]:
        """What is to be written of a try that failed: that it did, or when the next one is due."""
        if exc.retry_after_s is None:
            return partial(self._record_failed, message, whole_characters(str(exc)))
        until = self._clock.now() + (exc.retry_after_s or growing)
        return partial(self._queue_again, message, message.attempts + 1, until, whole_characters(str(exc)))

    async def _record_failed(self, message: Message, reason: str) -> None:
        await self._store.log.record(message.conversation, Failed("deliver", message.seq, reason))
        if message.kind == "message":
            await self._state.set_undelivered(message.conversation, reason[:MAX_REASON], at_most=MAX_UNDELIVERED)

    async def _record_delivered(self, message: Message, platform_ids: tuple[str, ...]) -> None:
        status = "uncertain" if LOST in platform_ids else "sent"
        try:
            await self._store.log.record(message.conversation, delivered_entry(message, status, platform_ids))
        except BadInput as exc:  # the platform gave an id that no store can hold
            logger.error("%s: its ids on the platform cannot be kept: %s", message.id, exc)
            await self._store.log.record(message.conversation, Delivered(message.seq, status, ()))
        if message.topic is not None and status == "sent":
            await topic_titles.store_topic_title(
                self._state, Address.of(message.conversation), message.topic, platform_ids
            )
        if status == "sent":
            await self._state.clear_undelivered(message.conversation)

    async def _send_parts(self, channel: Channel, unsent: Sequence[Part], message: Message) -> tuple[str, ...]:
        """Send the parts that are left; the platform's ids of all of them.

        Raises:
            SendFailed: a part surely did not go out; those before it are noted.
        """
        platform_ids, count, prompts = message.platform_ids, message.parts + len(unsent), bool(asks_for(message))
        for number, part in enumerate(unsent, start=message.parts + 1):
            if prompts and number == count and LOST in platform_ids:
                raise SendFailed(NOT_WHOLE)
            try:
                platform_ids += await channel.send(part)
            except SendUncertain as exc:
                if self._settles(message):
                    raise SendFailed(str(exc), retry_after_s=0.0) from exc
                logger.warning("%s, part %d of %d: %s", message.id, number, count, exc)
                platform_ids += (LOST,)
            except SendFailed:
                raise
            except Exception:
                logger.exception("%s, part %d of %d: the channel failed unexpectedly", message.id, number, count)
                platform_ids += (LOST,)
            if number < count:
                # Before the next part goes out: else a crash would send this one again.
                noted = partial(self._store.outbox.progress, message.conversation, message.seq, number, platform_ids)
                await self._supervisor.until_done(f"Writing down what came of {message.id}", noted)
        return platform_ids

    async def _action(self, message: Message) -> OutgoingAction:
        """A stored message, edit or reaction as the platform's adapter takes it.

        Raises:
            SendFailed: the message it is for never went out, or a file of it cannot be sent.
        """
        address = Address.of(message.conversation)
        chat = await chat_migrations.current(self._state, address)
        if message.topic is not None:
            return TopicChange(chat, message.topic, message.id)
        if message.kind != "message":
            target = await self._target(message)
            if message.kind == "edit":
                return Edit(chat, target, message.text, buttons=message.buttons)
            return Reaction(chat, target[-1], message.text)
        can = self._channels[address.channel].traits.can
        return Outgoing(
            chat,
            message.text if can.buttons else with_choices(message),
            await self._uploads.uploads(address.channel, message.attachments),
            buttons=message.buttons,
            reply_to=await self._replied_to(message),
            silent=message.silent or self._quiet(address.channel, self._clock.now()) > 0,
            question=message.question,
            key=message.id,
            at=message.at,
        )

    async def _target(self, message: Message) -> tuple[str, ...]:
        """The platform's ids of the message that an edit or a reaction is for."""
        target = await self._store.history.message(message.conversation, message.target or 0)
        ids = await self._platform_ids(message.conversation, target) if target else ()
        if not ids:
            raise SendFailed("The message it is for has not gone out, as far as is known.")
        return ids

    async def _replied_to(self, message: Message) -> str:
        """The platform's id of the message that this one replies to; "" where there is none."""
        if not message.reply_to.startswith(f"{message.conversation}#"):
            return ""
        original = await self._store.history.message(message.conversation, parse_message(message.reply_to)[1])
        return next(iter(await self._platform_ids(message.conversation, original)), "") if original else ""

    async def _platform_ids(self, conversation: str, message: Message) -> tuple[str, ...]:
        if message.direction == "out":
            return tuple(filter(None, message.platform_ids))
        if message.author.kind in ("client", "owner"):
            return ()  # said over MCP: it never was on the platform
        key = await self._store.traces.platform_id(conversation, message.seq)
        return () if not key or key.startswith(PRESSED) else (key,)


def delivered_entry(message: Message, status: Literal["sent", "uncertain"], platform_ids: tuple[str, ...]) -> Delivered:
    """That a message went out; of an edit also that its parts are those of the edited message from now on.

    A reaction has no id of its own on the platform: what its channel answers is the id of the message it is below.
    """
    if message.kind == "reaction":
        return Delivered(message.seq, status, ())
    edited = message.target if message.kind == "edit" and status == "sent" else None
    return Delivered(message.seq, status, platform_ids, of=edited)


def with_choices(message: Message) -> str:
    """The text of a question with its choices below it, where there are no buttons; writing one answers it."""
    choices = message.question.choices if message.question is not None else ()
    if not choices:
        return message.text
    return "\n".join((message.text, "", *(f"- {escape_markdown(choice)}" for choice in choices)))
