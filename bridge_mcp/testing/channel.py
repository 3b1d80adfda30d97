"""A channel for tests: the test gives the messages that it receives, and reads what it sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import count

import anyio
from msgspec.structs import replace

from bridge_mcp.core.capabilities import EVERY_MARKUP, MAX_FILE, TopicAct
from bridge_mcp.core.entries import Attachment, Sender
from bridge_mcp.core.errors import FetchFailed, SendFailed
from bridge_mcp.ports import (
    Arrival,
    ButtonPress,
    Capabilities,
    ChannelHealth,
    ChannelTraits,
    Clock,
    Edit,
    Form,
    Inbox,
    Incoming,
    Outgoing,
    OutgoingAction,
    Part,
    Reaction,
    TopicChange,
)
from bridge_mcp.testing.clock import ManualClock

__all__ = ["FakeChannel"]

WAIT_S = 10.0
"""The time-out of its waits, in seconds."""


CAN = Capabilities(
    markdown=EVERY_MARKUP,
    edits=True,
    reactions=True,
    buttons=100,
    file_bytes=MAX_FILE,
    files_in=True,
    albums=True,
    edits_in=True,
    groups=True,
    bots=True,
    threads=True,
    typing=True,
    drafts=True,
)
"""All but the history, which nobody keeps for it."""


class FakeChannel:
    """A `Channel` without a platform.

    Args:
        name: as in `[channels.NAME]`.
        needs_pairing: see `ChannelTraits`.
        delivered_by_commit: see `ChannelTraits`.
        prompts: see `Capabilities`.
        forms: see `Capabilities`.
        topics: see `Capabilities`.
        settles_s: see `Capabilities`; not 0: it knows a repeated part by its key, and makes no second message.
        part_size: characters at which it cuts a text into parts, without a word in what it declares; 0: never.
        can: what it declares, in the place of all but a history, with `prompts`, `forms`, `topics` and `settles_s`.
        clock: tells the time of what it hears, and of its last good exchange.
    """

    def __init__(
        self,
        name: str = "fake",
        *,
        needs_pairing: bool = False,
        delivered_by_commit: bool = False,
        prompts: bool = False,
        forms: bool = False,
        settles_s: float = 0.0,
        topics: tuple[TopicAct, ...] = (),
        part_size: int = 0,
        can: Capabilities | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.traits = ChannelTraits(
            name,
            "fake",
            needs_pairing,
            delivered_by_commit=delivered_by_commit,
            can=can or replace(CAN, forms=forms, prompts=prompts, settles_s=settles_s, topics=topics),
        )
        self.sent: list[Outgoing] = []
        """The messages (or parts of them) that reached the platform, in order."""
        self.edited: list[Edit] = []
        self.reacted: list[Reaction] = []
        self.topics: list[TopicChange] = []
        """Topics that were made or changed."""
        self.shown: list[tuple[str, int, str]] = []
        """What `show` was given."""
        self.attempts: list[OutgoingAction] = []
        """Every part that `send` was given."""
        self.files: dict[str, bytes] = {}
        """What `fetch` finds, by `Attachment.ref`."""
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}
        self._part_size = part_size
        self._clock = clock or ManualClock()
        self._failures: deque[tuple[SendFailed, bool]] = deque()
        self._ids, self._keys = count(1), count(1)
        self._state: ChannelHealth = ChannelHealth("starting")
        self._inbox: Inbox | None = None
        self._changed = anyio.Event()

    def fail(self, error: SendFailed, *, arrived: bool = False) -> None:
        """Make the next `send` raise this error; planned errors are raised in order.

        `arrived` says that the message went out all the same, as it may with `SendUncertain`.
        """
        self._failures.append((error, arrived))

    async def receive(
        self,
        text: str,
        *,
        chat: str = "1",
        sender: Sender | None = None,
        key: str = "",
        title: str = "",
        topic: str = "",
        attachments: Sequence[Attachment] = (),
        reply_to: str = "",
        at: float | None = None,
        group: bool = False,
        addressed: bool = True,
        edit: str = "",
        offset: int | None = None,
    ) -> str:
        """Hear a message. Waits for `run` to have begun, and returns once the inbox has taken the message.

        Answers what the sender is to be told outside of any log ("" for nothing), which a platform would now show.
        `chat` is `chat_id` or `chat_id/thread_id`, also in a chat with one person; `topic` is the name of that topic.
        `key` is the platform's id of the message; by default one that was not there before.
        """
        incoming = Incoming(
            channel=self.traits.name,
            chat=chat,
            key=key or f"m{next(self._keys)}",
            sender=sender or Sender("1", "Ann"),
            text=text,
            at=self._clock.now() if at is None else at,
            title=title,
            topic=topic,
            attachments=tuple(attachments),
            reply_to=reply_to,
            group=group,
            addressed=addressed,
            edit=edit,
            offset=offset,
        )
        return await self.arrives(incoming)

    async def press(
        self, message: str, token: str, *, chat: str = "1", sender: Sender | None = None, written: str = ""
    ) -> str:
        """Press a button below a message (the platform's id of it); what the presser is told.

        `written` is what stands in the form that the button opened.
        """
        return await self.arrives(self._pressed(message, token, chat, sender, written))

    async def opens(self, message: str, token: str, *, chat: str = "1", sender: Sender | None = None) -> Form | None:
        """The form that a press opens; None for none."""
        assert self._inbox is not None
        return await self._inbox.form(self._pressed(message, token, chat, sender, ""))

    def _pressed(self, message: str, token: str, chat: str, sender: Sender | None, written: str) -> ButtonPress:
        presser, at = sender or Sender("1", "Ann"), self._clock.now()
        return ButtonPress(self.traits.name, chat, message, sender=presser, token=token, at=at, written=written)

    async def arrives(self, arrival: Arrival) -> str:
        """Put an arrival into the inbox, once `run` has begun."""
        with anyio.fail_after(WAIT_S):
            while self._inbox is None:
                await self._changed.wait()
        return await self._inbox.put(arrival)

    async def wait_for_sent(self, number: int) -> tuple[Outgoing, ...]:
        """Wait until at least so many messages were sent, and return all of them.

        Raises:
            TimeoutError: they did not come within ten seconds.
        """
        await self.until(lambda: len(self.sent) >= number)
        return tuple(self.sent)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what it sent, edited, reacted to or showed; looked at whenever it does so.

        Raises:
            TimeoutError: it did not within ten seconds.
        """
        with anyio.fail_after(WAIT_S):
            while not holds():
                await self._changed.wait()

    async def run(self, inbox: Inbox) -> None:
        """See `ports.Channel`."""
        self._inbox = inbox
        self._state = ChannelHealth("ready", last_ok=self._clock.now())
        self._wake()
        try:
            await anyio.sleep_forever()
        finally:
            self._inbox = None
            self._state = ChannelHealth("stopped", last_ok=self._state.last_ok)

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """See `ports.Channel`. Messages are cut every `part_size` characters; the rest goes with the last part."""
        if not isinstance(action, Outgoing) or not self._part_size:
            return (Part(action.chat, action),)
        size = self._part_size
        texts = [action.text[start : start + size] for start in range(0, len(action.text), size)] or [""]
        first = Outgoing(action.chat, "", reply_to=action.reply_to, silent=action.silent, key=action.key)
        plain = [replace(first, text=text) for text in texts[:-1]]
        return tuple(Part(action.chat, each) for each in (*plain, replace(action, text=texts[-1])))

    async def send(self, part: Part) -> tuple[str, ...]:
        """See `ports.Channel`.

        Raises:
            SendFailed: it was planned.
            SendUncertain: it was planned.
        """
        match part.body:
            case Outgoing() | Edit() | Reaction() | TopicChange() as action:
                pass
            case _:
                raise TypeError(f"{part.body!r} was not made by this channel")
        self.attempts.append(action)
        error, arrived = self._failures.popleft() if self._failures else (None, True)
        key = (action.key, action.text) if isinstance(action, Outgoing) and self.traits.can.settles_s else ("", "")
        if key in self._known:
            return self._known[key]
        if arrived:
            self._arrive(action)
        if key[0] and arrived:
            self._known[key] = (str(next(self._ids)),)
        self._wake()
        if error is not None:
            raise error
        match action:
            case Outgoing():
                return self._known[key] if key[0] else (str(next(self._ids)),)
            case Edit(messages=messages):
                return messages
            case Reaction(message=message):
                return (message,)
            case TopicChange(topic=topic):
                return (str(next(self._ids)),) if topic.new else ()

    def _arrive(self, action: OutgoingAction) -> None:
        match action:
            case Outgoing():
                self.sent.append(action)
            case Edit():
                self.edited.append(action)
            case Reaction():
                self.reacted.append(action)
            case TopicChange():
                self.topics.append(action)

    async def show(self, chat: str, draft: int, text: str) -> None:
        """See `ports.Channel`."""
        self.shown.append((chat, draft, text))
        self._wake()

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """See `ports.Channel`.

        Raises:
            FetchFailed: there is no such file, or it has more than `most` bytes.
        """
        data = self.files.get(attachment.ref)
        if data is None or len(data) > most:
            raise FetchFailed(f"'{attachment.ref}' is not there, or larger than {most} bytes.")
        return data

    def health(self) -> ChannelHealth:
        """Connected while `run` runs."""
        return self._state

    def _wake(self) -> None:
        """Tell everybody who waits that something changed."""
        self._changed.set()
        self._changed = anyio.Event()
