"""The inbox: takes in messages, commands, edits, answers and button presses, and records them in the log.

A message is stored before it is acknowledged; the same message twice is one entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import structs
from msgspec.structs import replace

from bridge_mcp.core import chat_texts
from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import (
    Edited,
    Heard,
    Logged,
    Posted,
    Responder,
    message_id,
)
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.events import Event
from bridge_mcp.core.policy import Principal, Scope, Via
from bridge_mcp.core.projections import BRIDGE, Conversation
from bridge_mcp.core.safe_text import escape_markdown
from bridge_mcp.core.state import open_calls, unread_count
from bridge_mcp.core.tools import JSON
from bridge_mcp.operations import chat_migrations, commands, outsiders, topic_titles, welcome
from bridge_mcp.operations.access import Admission, principal_of
from bridge_mcp.operations.addresses import join, parse_message
from bridge_mcp.operations.answers_to_questions import answer_of
from bridge_mcp.operations.approvals import Check, no_check
from bridge_mcp.operations.button_presses import form, is_open, press
from bridge_mcp.operations.messages_in import (
    continued_message,
    heard_entry,
    is_addressed,
    offset_after,
    unanswered_message,
)
from bridge_mcp.ports import (
    Arrival,
    ButtonPress,
    ChannelRules,
    ChannelTraits,
    Clock,
    Connected,
    Deleted,
    Form,
    Happening,
    Ignored,
    Incoming,
    Moved,
    Named,
    Pairing,
    Rules,
    Store,
)

__all__ = ["Intake"]

LONGEST_NEARLY = 500
"""Characters of a text that may be a misspelled command."""


class Intake:
    """The inbox of any process: a face takes in messages of its own user, the engine those of its channels."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        traits: Mapping[str, ChannelTraits],
        clock: Clock,
        ahead_since: Callable[[float], float] = lambda at: 0.0,
        check: Check = no_check,
    ) -> None:
        self._store = store
        self._state = store.channel_state
        self._rules = rules
        self._traits = traits
        self._clock = clock
        self._admission = Admission(store, traits, clock)
        self._scene = commands.Scene(store, rules, traits, clock=clock, ahead_since=ahead_since, check=check)

    async def put(self, arrival: Arrival) -> str:
        """See `ports.Inbox`. Only paired people pass, also with commands, edits and buttons."""
        match arrival:
            case Incoming():
                chat = await chat_migrations.home(self._state, arrival.channel, arrival.chat)
                title = await topic_titles.full_title(self._state, arrival.channel, chat, arrival.title, arrival.topic)
                return await self._message(replace(arrival, chat=chat, title=title))
            case ButtonPress():
                chat = await chat_migrations.home(self._state, arrival.channel, arrival.chat)
                notice = await self._press(replace(arrival, chat=chat))
            case Happening():
                chat = await chat_migrations.home(self._state, arrival.channel, arrival.chat)
                await self._publish_happening(replace(arrival, chat=chat))
                notice = ""
            case Named():
                chat = await chat_migrations.home(self._state, arrival.channel, arrival.chat)
                await topic_titles.note(self._state, arrival.channel, chat, arrival.name)
                notice = ""
            case Deleted():
                chat = await chat_migrations.home(self._state, arrival.channel, arrival.chat)
                await outsiders.take_back(self._store, replace(arrival, chat=chat))
                notice = ""
            case Connected():
                await self._state.move_chat(arrival.channel, arrival.chat, arrival.to)
                notice = await self._admission.connected(arrival)
            case Moved():
                await self._state.move_chat(arrival.channel, arrival.chat, arrival.to)
                notice = ""
            case Ignored():
                notice = ""
        await self._store_offset(arrival)
        return notice

    async def offset(self, channel: str) -> int | None:
        """See `ports.Inbox`."""
        return await self._state.offset(channel)

    async def form(self, press: ButtonPress) -> Form | None:
        """See `ports.Inbox`."""
        press = replace(press, chat=await chat_migrations.home(self._state, press.channel, press.chat))
        pairings = await self._admission.of(press)
        return None if pairings is None else await form(self._scene, press, self._presser(press, pairings))

    async def chats(self, channel: str, at_most: int) -> tuple[str, ...]:
        """See `ports.Inbox`."""
        conversations, _ = await self._store.history.conversations(within=frozenset({channel}), limit=at_most)
        let_in = await self._store.access.pairings(channel)
        every = [*(Address.of(c.id).target for c in conversations), *(pairing.subject for pairing in let_in)]
        return tuple(dict.fromkeys(every))[:at_most]

    async def hear(self, incoming: Incoming, via: Via = "", scopes: frozenset[Scope] | None = None) -> int:
        """Take in a message of this machine's user on a channel without pairing; returns its seq.

        `via`: the path of a verdict in it, where that is no chat. `scopes`: a command in it may do no more than these.
        """
        who = principal_of(incoming.channel, incoming.sender, ())
        may = who.scopes if scopes is None else who.scopes & scopes
        return await self._hear(incoming, replace(who, via=via or who.via, scopes=may))

    async def _message(self, incoming: Incoming) -> str:
        pairings = await self._admission.of(incoming)
        bot = incoming.outsider == "bot"
        if bot and (pairings is None or not outsiders.bot_may_speak(incoming, self._channel(incoming.channel))):
            await self._store_offset(incoming)
            return ""
        if pairings is None:
            notice = await self._admission.request(incoming) if incoming.addressed and not incoming.edit else ""
            if incoming.outsider:
                notice = ""  # whoever writes to somebody's account is told of no bridge
            if notice:
                await welcome.keep_first_message(self._state, incoming)
            await self._store_offset(incoming)
            return notice
        who = principal_of(incoming.channel, incoming.sender, pairings, outsider=bool(incoming.outsider))
        if incoming.edit:
            await self._edit(incoming, who)
        elif bot:
            await self._hear_bot(incoming)
        else:
            await self._hear(incoming, who)
        return ""

    async def _publish_happening(self, happening: Happening) -> None:
        """Publish an event of a paired chat in the feed."""
        if await self._admission.of(happening) is None:
            return
        conversation = join(happening.channel, happening.chat)
        who = happening.sender
        body: dict[str, JSON] = {**happening.body, "from": {"id": who.id, "name": who.name, "kind": who.kind}}
        if happening.message:
            seq = await self._store.traces.message(conversation, happening.message)
            body |= {"message": None if seq is None else message_id(conversation, seq), "key": happening.message}
        await self._store.feed.publish(Event(happening.type, conversation, happening.at, body=body))

    async def _store_offset(self, arrival: Arrival) -> None:
        """Store the offset of an arrival that leaves no entry."""
        position = offset_after(arrival)
        if position is not None:
            await self._state.set_offset(position)

    async def _hear(self, incoming: Incoming, who: Principal) -> int:
        conversation = join(incoming.channel, incoming.chat)
        stored = await self._store.history.conversation(conversation)
        rules = self._channel(incoming.channel)
        replied = await self._replied_to(conversation, incoming.reply_to)
        heard = heard_entry(
            conversation, incoming, rules, self._traits[incoming.channel].can, replied=replied, now=self._clock.now()
        )
        before = await continued_message(self._store.log, conversation, stored, heard, now=self._clock.now())
        command, hint = await self._as_command(conversation, incoming, rules)
        if command or hint:
            heard = structs.replace(heard, to="bridge")
        else:
            heard = await self._for_somebody(conversation, stored, incoming, heard, replied, before)
        # A command's offset is stored once it is answered: after a crash it comes in again.
        position = None if command or hint else offset_after(incoming)
        notices: tuple[Posted, ...] = ()
        if incoming.post and heard.to in ("assistant", "relay"):
            heard, notices = await outsiders.count_post(
                self._store, conversation, heard, rules.bot_turns, self._clock.now()
            )
        recorded, *_ = await self._store.log.record(conversation, heard, *notices, offset=position)
        if command or hint:
            await self._command(conversation, incoming, who, hint)
        return recorded.seq

    async def _hear_bot(self, incoming: Incoming) -> None:
        """Take in a message of another bot. It is a message for the bot, and never a command or an answer."""
        conversation = join(incoming.channel, incoming.chat)
        if await self._store.traces.message(conversation, incoming.key) is not None:
            await self._store_offset(incoming)
            return
        stored = await self._store.history.conversation(conversation)
        rules, replied = self._channel(incoming.channel), await self._replied_to(conversation, incoming.reply_to)
        heard = heard_entry(
            conversation, incoming, rules, self._traits[incoming.channel].can, replied=replied, now=self._clock.now()
        )
        heard, fate = await outsiders.count_bot_message(self._store, conversation, heard, rules.bot_turns)
        if fate == "left out":
            await self._store_offset(incoming)
            return
        if fate == "heard" and is_addressed(incoming, rules):
            heard = structs.replace(heard, to=self._responder(incoming.channel, stored))
        notices = (outsiders.notice(heard),) if fate == "last" else ()
        await self._store.log.record(conversation, heard, *notices, offset=offset_after(incoming))

    async def _for_somebody(
        self,
        conversation: str,
        stored: Conversation | None,
        incoming: Incoming,
        heard: Heard,
        replied: int | None,
        before: Logged | None,
    ) -> Heard:
        """The entry with its responder, or the question it answers. A continuation goes where its beginning went."""
        responder = self._responder(incoming.channel, stored)
        addressed = is_addressed(incoming, self._channel(incoming.channel))
        first = before.entry if before is not None else None
        if before is not None and isinstance(first, Heard):
            addressed = addressed or first.to != "off"
            heard = structs.replace(heard, continues=before.seq, to=responder if addressed else "off")
            if first.answers is not None:
                return structs.replace(heard, answers=first.answers)
        else:
            heard = structs.replace(heard, to=responder if addressed else "off")
        answered = await self._answered_question(conversation, stored, incoming, replied)
        if answered is None:
            return heard
        seq, text = answered
        return structs.replace(heard, answers=seq, text=text)

    async def _as_command(self, conversation: str, incoming: Incoming, rules: ChannelRules) -> tuple[bool, str]:
        """Whether a message is a command; and the hint for a misspelled one."""
        # A forwarded message holds the words of somebody else.
        if incoming.forwarded_from or incoming.outsider:
            return False, ""
        text = incoming.bare or incoming.text
        if commands.is_command(text):
            return True, ""
        if not is_addressed(incoming, rules) or len(text) > LONGEST_NEARLY:
            return False, ""
        busy = await self._busy(conversation) if commands.could_be_bare(text) else ()
        if hint := commands.hint(text, busy):
            return False, hint
        none = commands.unknown_command(text) if incoming.addressed else ""
        # A client that answers (relay) may have commands of its own.
        stored = await self._store.history.conversation(conversation) if none else None
        return False, none if none and self._responder(incoming.channel, stored) == "assistant" else ""

    async def _busy(self, conversation: str) -> tuple[str, ...]:
        """The commands that would do something in a conversation now."""
        log = await self._store.log.tail(conversation)
        waiting = any(asked for _, asked in open_calls(log))
        under_way = ("stop",) if unread_count(log) or open_calls(log) else ()
        return (*under_way, *(("approve", "reject") if waiting else ()))

    async def _edit(self, incoming: Incoming, who: Principal) -> None:
        """Record the edit of a message. An edit of one that was never recorded is ignored.

        If nobody has answered the message, its new text counts as if it had been written so: as a command, or as a
        message for the bot.
        """
        conversation = join(incoming.channel, incoming.chat)
        seq = await self._store.traces.message(conversation, incoming.key)
        before = None if seq is None else await self._store.history.message(conversation, seq)
        if before is None or before.direction != "in" or before.author.id != incoming.sender.id:
            await self._store_offset(incoming)
            return
        rules = self._channel(incoming.channel)
        edited = Edited(before.seq, incoming.text, f"{incoming.key}:{incoming.edit}")
        heard = await unanswered_message(self._store, conversation, before.seq)
        if incoming.outsider == "bot":
            heard = None
        command, hint = await self._as_command(conversation, incoming, rules) if heard else (False, "")
        if heard is not None and heard.answers is None and not command and not hint and is_addressed(incoming, rules):
            stored = await self._store.history.conversation(conversation)
            responder = self._responder(incoming.channel, stored)
            if heard.to == "off" or (heard.to, responder) == ("assistant", "assistant"):
                edited = structs.replace(edited, to=responder)
        command = command and not commands.is_command(before.text)
        await self._store.log.record(conversation, edited, offset=None if command else offset_after(incoming))
        if command:
            await self._command(conversation, incoming, who, "")

    async def _press(self, tap: ButtonPress) -> str:
        pairings = await self._admission.of(tap)
        if pairings is None:
            return chat_texts.BUTTON_NOT_YOURS
        stored = await self._store.history.conversation(join(tap.channel, tap.chat))
        who = self._presser(tap, pairings)
        return await press(self._scene, tap, who, self._responder(tap.channel, stored), offset_after(tap))

    def _presser(self, tap: ButtonPress, pairings: tuple[Pairing, ...]) -> Principal:
        return replace(principal_of(tap.channel, tap.sender, pairings, outsider=bool(tap.outsider)), via="chat button")

    def _channel(self, channel: str) -> ChannelRules:
        return self._rules.channel(channel)

    def _responder(self, channel: str, stored: Conversation | None) -> Responder:
        """The responder: as set for the conversation, or as the channel's config says."""
        return (stored.responder if stored else None) or self._channel(channel).responder

    async def _replied_to(self, conversation: str, reply_to: str) -> int | None:
        """The seq of the message that is replied to, by its id here or on the platform."""
        if not reply_to:
            return None
        if reply_to.startswith(f"{conversation}#"):
            return parse_message(reply_to)[1]
        return await self._store.traces.message(conversation, reply_to)

    async def _answered_question(
        self, conversation: str, stored: Conversation | None, incoming: Incoming, replied: int | None
    ) -> tuple[int, str] | None:
        """The open question that a message answers (the one it replies to, or the only one), and the answer."""
        if replied is not None:
            asked = await self._store.history.message(conversation, replied)
            open_questions = [asked] if asked is not None and await is_open(self._scene, asked) else []
        elif stored is None or stored.question is None:
            return None
        else:
            # By the clock before it was ever set ahead: `is_open` corrects this for each question.
            now = self._clock.now() - self._scene.ahead_since(0.0)
            every = await self._store.history.questions(conversation, now)
            open_questions = [question for question in every if await is_open(self._scene, question)]
        return answer_of(open_questions, incoming, replied=replied is not None)

    async def _command(self, conversation: str, incoming: Incoming, who: Principal, hint: str) -> None:
        key = f"command:{incoming.key}" + (f":{incoming.edit}" if incoming.edit else "")
        if await self._store.traces.posted(conversation, key) is not None:
            await self._store_offset(incoming)
            return
        try:
            text, by_id = incoming.bare or incoming.text, incoming.group or bool(incoming.edit)
            answer = hint or await commands.run(self._scene, who, conversation, text, by_id=by_id)
        except BridgeError as exc:
            answer = str(exc)
        # On platforms a text is Markdown, and this one quotes names, arguments and notes of others.
        reply = answer if self._traits[incoming.channel].delivered_by_commit else escape_markdown(answer, lines=True)
        await self._store.log.record(conversation, Posted(reply, BRIDGE, key=key), offset=offset_after(incoming))
