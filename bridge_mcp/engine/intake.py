"""Where messages come in: one gate for all of them, commands and answers included, and then the log.

A message is in the store before anybody acknowledges it; the same message twice is one entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bridge_mcp.core.entries import Edited, Heard, Posted, Question, Responder, message_id
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.tools import JSON
from bridge_mcp.core.views import BRIDGE, Conversation, Message
from bridge_mcp.core.visible import quoted
from bridge_mcp.engine import commands, moves
from bridge_mcp.engine.addresses import join, parse_message
from bridge_mcp.engine.admission import Admission, principal_of
from bridge_mcp.engine.presses import is_open, press
from bridge_mcp.ports import (
    Arrival,
    ChannelRules,
    ChannelTraits,
    Clock,
    Ignored,
    Incoming,
    Moved,
    Rules,
    Store,
    Tap,
)

__all__ = ["Intake"]


class Intake:
    """The gate, for every process: a face takes in what its own user says, the engine what its channels hear."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        traits: Mapping[str, ChannelTraits],
        clock: Clock,
        ahead_since: Callable[[float], float] = lambda at: 0.0,
    ) -> None:
        self._store = store
        self._rules = rules
        self._traits = traits
        self._clock = clock
        self._admission = Admission(store, traits, clock)
        self._scene = commands.Scene(store, rules, traits, clock, ahead_since)

    async def put(self, arrival: Arrival) -> str:
        """See `ports.Inbox`. Nobody passes who was not let in: not with a command, an edit or a button either."""
        match arrival:
            case Incoming():
                chat = await moves.home(self._store.board, arrival.channel, arrival.chat)
                return await self._message(replace(arrival, chat=chat))
            case Tap():
                chat = await moves.home(self._store.board, arrival.channel, arrival.chat)
                told = await self._press(replace(arrival, chat=chat))
            case Moved():
                await moves.move(self._store.board, arrival.channel, arrival.chat, arrival.to)
                told = ""
            case Ignored():
                told = ""
        await self._passed(arrival)
        return told

    async def offset(self, channel: str) -> int | None:
        """See `ports.Inbox`."""
        found = await self._store.board.get(offset_of(channel))
        return found if isinstance(found, int) else None

    async def hear(self, incoming: Incoming) -> int:
        """Take in what this machine's own user says on a channel that needs no pairing; the seq of the message."""
        return await self._hear(incoming, principal_of(incoming.channel, incoming.sender, ()))

    async def _message(self, incoming: Incoming) -> str:
        pairings = await self._admission.of(incoming)
        if pairings is None:
            told = await self._admission.request(incoming) if incoming.addressed and not incoming.edit else ""
            await self._passed(incoming)
            return told
        if incoming.edit:
            await self._edit(incoming)
        else:
            await self._hear(incoming, principal_of(incoming.channel, incoming.sender, pairings))
        return ""

    async def _passed(self, arrival: Arrival) -> None:
        """Keep the place in the stream, where nothing else is kept."""
        if arrival.offset is not None:
            await self._store.board.put(offset_of(arrival.channel), arrival.offset)

    async def _hear(self, incoming: Incoming, who: Principal) -> int:
        conversation = join(incoming.channel, incoming.chat)
        # What is passed on are the words of whoever wrote them first.
        command = commands.is_command(incoming.text) and not incoming.forwarded_from
        known = await self._store.history.conversation(conversation)
        replied = await self._replied_to(conversation, incoming.reply_to)
        answers = None if command else await self._answered(conversation, known, incoming, replied)
        rules = self._channel(incoming.channel)
        responder = self._responder(incoming.channel, known)
        heard = Heard(
            incoming.text,
            incoming.sender,
            incoming.key,
            "bridge" if command else responder if meant(incoming, rules) else "off",
            answers,
            incoming.attachments,
            "" if replied is None else message_id(conversation, replied),
            late=self._clock.now() - incoming.at > rules.late_after_s,
            title=incoming.title,
            quote=incoming.quote,
            forwarded_from=incoming.forwarded_from,
            group=incoming.group,
        )
        # A command's place in the stream is kept once it is answered: one that a crash cut short comes in again.
        note = None if command else note_of(incoming)
        (recorded,) = await self._store.log.record(conversation, heard, note=note)
        if command:
            await self._command(conversation, incoming, who)
        return recorded.seq

    async def _edit(self, incoming: Incoming) -> None:
        """A message has another text. An edit of one that was never heard concerns nobody."""
        conversation = join(incoming.channel, incoming.chat)
        seq = await self._store.traces.message(conversation, incoming.key)
        before = None if seq is None else await self._store.history.message(conversation, seq)
        if before is None or before.direction != "in" or before.author.id != incoming.sender.id:
            await self._passed(incoming)
            return
        edited = Edited(before.seq, incoming.text, f"{incoming.key}:{incoming.edit}")
        await self._store.log.record(conversation, edited, note=note_of(incoming))

    async def _press(self, tap: Tap) -> str:
        pairings = await self._admission.of(tap)
        if pairings is None:
            return "This button is not yours to press."
        known = await self._store.history.conversation(join(tap.channel, tap.chat))
        who = replace(principal_of(tap.channel, tap.sender, pairings), via="chat button")
        return await press(self._scene, tap, who, self._responder(tap.channel, known), note_of(tap))

    def _channel(self, channel: str) -> ChannelRules:
        return self._rules.channels.get(channel) or ChannelRules(channel)

    def _responder(self, channel: str, known: Conversation | None) -> Responder:
        """Who answers: as set for the conversation, or as the channel says."""
        return (known.responder if known else None) or self._channel(channel).responder

    async def _replied_to(self, conversation: str, reply_to: str) -> int | None:
        """The seq of the message that is replied to: named by our own id, or by the platform's."""
        if not reply_to:
            return None
        if reply_to.startswith(f"{conversation}#"):
            return parse_message(reply_to)[1]
        return await self._store.traces.message(conversation, reply_to)

    async def _answered(
        self, conversation: str, known: Conversation | None, incoming: Incoming, replied: int | None
    ) -> int | None:
        """The open question that a message answers: the one it replies to, or the only one that it can be meant for."""
        if replied is not None:
            asked = await self._store.history.message(conversation, replied)
            return replied if asked is not None and await is_open(self._scene, asked) else None
        if known is None or known.question is None:
            return None
        # By the clock as it was before it was ever set ahead: `is_open` knows by how much for each of them.
        now = self._clock.now() - self._scene.ahead_since(0.0)
        asked_now = await self._store.history.questions(conversation, now)
        return meant_for([each for each in asked_now if await is_open(self._scene, each)], incoming)

    async def _command(self, conversation: str, incoming: Incoming, who: Principal) -> None:
        key = f"command:{incoming.key}"
        if await self._store.traces.posted(conversation, key) is not None:
            await self._passed(incoming)
            return
        try:
            answer = await commands.run(self._scene, who, conversation, incoming.text)
        except BridgeError as exc:
            answer = str(exc)
        # On platforms a text is Markdown, and in this one stand names, arguments and notes of others.
        told = answer if self._traits[incoming.channel].delivered_by_commit else quoted(answer, lines=True)
        await self._store.log.record(conversation, Posted(told, BRIDGE, key=key), note=note_of(incoming))


def meant_for(asked: Sequence[Message], incoming: Incoming) -> int | None:
    """The one open question that a message which replies to none of them answers; None where that would be a guess.

    A choice in its own spelling answers the question that offers it; any other text, one that offers none. Where
    several questions can take it, it answers none of them.
    """
    said = incoming.text.strip().casefold()
    able = [each.seq for each in asked if each.question is not None and takes(each.question, said)]
    several_free = len(asked) > 1 and any(each.question is not None and not each.question.choices for each in asked)
    return able[0] if len(able) == 1 and not several_free else None


def takes(question: Question, said: str) -> bool:
    """Whether a text can be its answer: one of the choices where there are any, else any."""
    return not question.choices or any(said == choice.casefold() for choice in question.choices)


def meant(incoming: Incoming, rules: ChannelRules) -> bool:
    """Whether somebody is to answer: in groups, as the owner wants it there."""
    if not incoming.group:
        return True
    wanted = rules.group_mode(incoming.chat)
    return wanted == "always" or (wanted == "mention" and incoming.addressed)


def offset_of(channel: str) -> str:
    """Where the board keeps a channel's place in its platform's stream."""
    return f"offset:{channel}"


def note_of(arrival: Incoming | Tap) -> tuple[str, JSON] | None:
    return None if arrival.offset is None else (offset_of(arrival.channel), arrival.offset)
