"""The contract of `Channel` as tests, for the built-in channels and for those of other packages.

    from bridge_mcp.testing.channel_contract import ChannelContract, ChannelRig

    class TestMine(ChannelContract):
        @pytest.fixture
        async def rig(self):
            async with my_server() as server:
                yield ChannelRig(MyChannel(...), server.say, chat=server.chat)

It needs pytest and anyio, and is imported by tests alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest
from msgspec import Struct

from bridge_mcp.core.capabilities import EVERY_MARKUP, MAX_FILE
from bridge_mcp.core.entries import Attachment, Button, Topic
from bridge_mcp.core.errors import FetchFailed, SendFailed
from bridge_mcp.ports import (
    Arrival,
    ButtonPress,
    Channel,
    Edit,
    Form,
    Incoming,
    Outgoing,
    Part,
    Reaction,
    TopicChange,
    Upload,
)

__all__ = ["ChannelContract", "ChannelRig", "KeptInbox"]

WAIT_S = 10.0


class KeptInbox:
    """An `Inbox` that records what it is given."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer
        """What everybody who writes is to be told, outside of any log."""
        self.heard: list[Incoming] = []
        self.place: int | None = None
        self._more = anyio.Event()

    async def put(self, arrival: Arrival) -> str:
        """See `ports.Inbox`."""
        if arrival.offset is not None:
            self.place = max(arrival.offset, self.place or 0)
        if isinstance(arrival, Incoming) and arrival.key not in {each.key for each in self.heard}:
            self.heard.append(arrival)
        self._more.set()
        self._more = anyio.Event()
        return self.answer if isinstance(arrival, Incoming) else ""

    async def offset(self, channel: str) -> int | None:
        """See `ports.Inbox`."""
        return self.place

    async def form(self, press: ButtonPress) -> Form | None:
        """See `ports.Inbox`."""
        return None

    async def chats(self, channel: str, at_most: int) -> tuple[str, ...]:
        """See `ports.Inbox`."""
        return tuple(dict.fromkeys(each.chat for each in reversed(self.heard)))[:at_most]

    async def hears(self, count: int) -> None:
        """Wait for so many messages."""
        while len(self.heard) < count:
            await self._more.wait()


class ChannelRig(Struct, frozen=True):
    """A channel called `here`, and the way to its platform."""

    channel: Channel
    say: Callable[[str], Awaitable[object]] | None = None
    """Lets somebody write on the platform; None: nobody can."""
    chat: str = "1"
    """Where it may send, once somebody has written there."""
    read: Callable[[], list[str]] | None = None
    """What the channel has sent to that chat, as people read it now."""
    reactions: Callable[[], list[str]] | None = None
    """The channel's emoji below messages of that chat."""
    buttons: Callable[[], list[str]] | None = None
    """The labels of the buttons below the newest message of the channel there."""
    files: Callable[[], list[str]] | None = None
    """The names of the files that the channel has sent there."""
    topics_in: str = ""
    """Where it may make topics; empty: in that chat, which may be one with one person."""


class ChannelContract:
    """The tests. A subclass has a fixture `rig`."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The bridge runs on asyncio."""
        return "asyncio"

    async def test_says_what_it_is_like(self, rig: ChannelRig) -> None:
        """Its name is its section's."""
        assert rig.channel.traits.name == "here"
        assert rig.channel.traits.type

    async def test_runs_until_cancelled_and_is_ready_meanwhile(self, rig: ChannelRig) -> None:
        """It tells that it works."""
        with anyio.fail_after(WAIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(rig.channel.run, KeptInbox())
                await ready(rig.channel)
                assert not rig.channel.health().error
                group.cancel_scope.cancel()
        assert group.cancel_scope.cancelled_caught

    async def test_runs_again_after_it_was_cancelled(self, rig: ChannelRig) -> None:
        """An engine may come back."""
        for _ in range(2):
            with anyio.fail_after(WAIT_S):
                async with anyio.create_task_group() as group:
                    group.start_soon(rig.channel.run, KeptInbox())
                    await ready(rig.channel)
                    group.cancel_scope.cancel()

    async def test_what_it_hears_is_in_the_inbox(self, rig: ChannelRig) -> None:
        """In order, each by a key of its own."""
        inbox = KeptInbox()
        with anyio.fail_after(WAIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(rig.channel.run, inbox)
                await ready(rig.channel)
                if rig.say is not None:
                    await rig.say("hello")
                    await rig.say("again")
                    await inbox.hears(2)
                group.cancel_scope.cancel()
        assert [incoming.text for incoming in inbox.heard] == (["hello", "again"] if rig.say else [])
        assert len({incoming.key for incoming in inbox.heard}) == len(inbox.heard)
        assert {incoming.channel for incoming in inbox.heard} <= {"here"}
        assert all(incoming.sender.id for incoming in inbox.heard)

    async def test_what_came_while_it_did_not_run_is_heard(self, rig: ChannelRig) -> None:
        """And what was stored before is the same message again, if it comes twice. See `Capabilities.history`."""
        if not rig.channel.traits.can.history or rig.say is None:
            pytest.skip("this channel declares no history, or nobody can write to it")
        inbox = KeptInbox()
        await heard(rig, inbox, "first", count=1)
        await rig.say("meanwhile")
        with anyio.fail_after(WAIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(rig.channel.run, inbox)
                await inbox.hears(2)
                group.cancel_scope.cancel()
        assert [incoming.text for incoming in inbox.heard] == ["first", "meanwhile"]

    async def test_what_the_inbox_answers_is_told_in_the_chat(self, rig: ChannelRig) -> None:
        """A stranger learns their code by it."""
        if rig.say is None or rig.read is None or not rig.channel.traits.needs_pairing:
            pytest.skip(
                "nobody can write to this channel, the rig cannot read, or it declares that nobody is a stranger"
            )
        with anyio.fail_after(WAIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(rig.channel.run, KeptInbox("your code is 7"))
                await ready(rig.channel)
                await rig.say("hello")
                while not rig.read():  # noqa: ASYNC110 - a platform tells nobody here what it shows
                    await anyio.sleep(0.01)
                group.cancel_scope.cancel()
        assert rig.read() == ["your code is 7"]

    async def test_sends_unless_a_commit_delivers(self, rig: ChannelRig) -> None:
        """Each message has an id of its own."""
        if rig.channel.traits.delivered_by_commit:
            with pytest.raises(SendFailed) as failure:
                await sent(rig.channel, "hi")
            assert failure.value.retry_after_s is None
            assert failure.value.fix
            return
        await heard(rig, KeptInbox(), "hello", count=0)  # platforms let nobody write first to people
        first = await sent(rig.channel, "hi", rig.chat, key="here/1#1")
        second = await sent(rig.channel, "hi", rig.chat, key="here/1#2")
        assert first
        assert second
        assert not set(first) & set(second)
        if rig.read is not None:
            assert rig.read() == ["hi", "hi"]

    async def test_a_repeated_part_makes_no_second_message_where_it_says_so(self, rig: ChannelRig) -> None:
        """See `Capabilities.settles_s`."""
        if not rig.channel.traits.can.settles_s or rig.read is None:
            pytest.skip("this channel does not claim to know repeats (settles_s), or the rig cannot read what arrived")
        await heard(rig, KeptInbox(), "hello", count=0)
        for _ in range(2):
            await sent(rig.channel, "once", rig.chat, key="here/1#7")
        assert rig.read() == ["once"]

    async def test_a_topic_that_it_makes_takes_messages(self, rig: ChannelRig) -> None:
        """Where it says that it makes topics (`Capabilities.topics`)."""
        if "make" not in rig.channel.traits.can.topics:
            pytest.skip("this channel does not claim to make topics")
        await heard(rig, KeptInbox(), "hello", count=0)
        chat = rig.topics_in or rig.chat
        (part,) = rig.channel.parts(TopicChange(chat, Topic("Plans", new=True), key="here/1#4"))
        (thread,) = await rig.channel.send(part)
        inside = await sent(rig.channel, "in it", f"{chat}/{thread}", key="here/1#5")
        assert inside
        assert thread not in inside
        if "name" in rig.channel.traits.can.topics:
            for change in rig.channel.parts(TopicChange(f"{chat}/{thread}", Topic("Trip"), key="here/1#6")):
                await rig.channel.send(change)

    async def test_the_same_action_has_the_same_parts(self, rig: ChannelRig) -> None:
        """So that a crash in the middle goes on where it stopped."""
        action = Outgoing(rig.chat, "word " * 5000, key="here/1#3")
        parts = rig.channel.parts(action)
        assert parts
        assert all(isinstance(part, Part) and part.chat == rig.chat for part in parts)
        assert parts == rig.channel.parts(action)

    async def test_what_it_declares_fits_together(self, rig: ChannelRig) -> None:
        """Sizes are sizes, and prompts leave room for a call."""
        can = rig.channel.traits.can
        assert 0 <= can.file_bytes <= MAX_FILE
        assert 0 == can.text_chars or can.text_chars >= 500
        assert min(can.buttons, can.settles_s, can.paste_chars) >= 0
        assert set(can.markdown) <= set(EVERY_MARKUP)
        if can.forms:
            assert can.buttons, "a form is opened by a button"

    async def test_a_text_of_the_declared_length_is_one_message(self, rig: ChannelRig) -> None:
        """And one that is longer is more than one. See `Capabilities.text_chars`."""
        most = rig.channel.traits.can.text_chars
        if not most:
            pytest.skip("this channel declares no limit of a text")
        words = ("word " * most)[: most - 1] + "."
        assert len(rig.channel.parts(Outgoing(rig.chat, words))) == 1
        assert len(rig.channel.parts(Outgoing(rig.chat, f"{words} more"))) > 1
        await heard(rig, KeptInbox(), "hello", count=0)
        assert await sent(rig.channel, words, rig.chat, key="here/1#5")
        if rig.read is not None:
            assert rig.read() == [words]

    async def test_an_edit_changes_what_is_read(self, rig: ChannelRig) -> None:
        """See `Capabilities.edits`."""
        if not rig.channel.traits.can.edits or rig.read is None:
            pytest.skip("this channel declares no edits, or the rig cannot read what arrived")
        await heard(rig, KeptInbox(), "hello", count=0)
        made = await sent(rig.channel, "first", rig.chat, key="here/1#6")
        (part,) = rig.channel.parts(Edit(rig.chat, made, "second"))
        await rig.channel.send(part)
        assert rig.read() == ["second"]

    async def test_a_reaction_is_below_its_message(self, rig: ChannelRig) -> None:
        """See `Capabilities.reactions`."""
        if not rig.channel.traits.can.reactions or rig.reactions is None:
            pytest.skip("this channel declares no reactions, or the rig cannot see them")
        await heard(rig, KeptInbox(), "hello", count=0)
        (made,) = await sent(rig.channel, "nice", rig.chat, key="here/1#8")
        (part,) = rig.channel.parts(Reaction(rig.chat, made, "👍"))
        await rig.channel.send(part)
        assert rig.reactions() == ["👍"]

    async def test_as_many_buttons_as_it_declares_are_below_one_message(self, rig: ChannelRig) -> None:
        """See `Capabilities.buttons`."""
        most = min(rig.channel.traits.can.buttons, 100)
        if not most or rig.buttons is None:
            pytest.skip("this channel declares no buttons, or the rig cannot see them")
        await heard(rig, KeptInbox(), "hello", count=0)
        labels = [f"choice {number}" for number in range(most)]
        shown = tuple(Button(label, label, f"token{at}") for at, label in enumerate(labels))
        (part,) = rig.channel.parts(Outgoing(rig.chat, "which?", buttons=shown, key="here/1#9"))
        await rig.channel.send(part)
        assert rig.buttons() == labels

    async def test_a_file_arrives(self, rig: ChannelRig) -> None:
        """See `Capabilities.file_bytes`."""
        if not rig.channel.traits.can.file_bytes or rig.files is None:
            pytest.skip("this channel declares no files, or the rig cannot see them")
        await heard(rig, KeptInbox(), "hello", count=0)
        upload = Upload("file", "notes.txt", "text/plain", data=b"some notes")
        for part in rig.channel.parts(Outgoing(rig.chat, "look", (upload,), key="here/1#10")):
            await rig.channel.send(part)
        assert rig.files() == ["notes.txt"]

    async def test_a_file_that_is_not_there_is_told(self, rig: ChannelRig) -> None:
        """As `FetchFailed`, and as nothing else."""
        with pytest.raises(FetchFailed):
            await rig.channel.fetch(Attachment("nowhere", name="x.txt"), 1000)


async def ready(channel: Channel) -> None:
    """Wait until the channel is connected."""
    while True:
        if channel.health().state == "ready":
            return
        await anyio.sleep(0.002)


async def heard(rig: ChannelRig, inbox: KeptInbox, text: str, *, count: int) -> None:
    """Somebody writes while the channel runs."""
    with anyio.fail_after(WAIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(rig.channel.run, inbox)
            await ready(rig.channel)
            if rig.say is not None:
                await rig.say(text)
                await inbox.hears(max(count, 1))
            group.cancel_scope.cancel()


async def sent(channel: Channel, text: str, chat: str = "1", *, key: str = "") -> tuple[str, ...]:
    """Everything a short message takes."""
    (part,) = channel.parts(Outgoing(chat, text, key=key))
    return await channel.send(part)
