"""Approvals in chats: each call that waits gets a message with buttons, and the message tells in the end who decided.

A prompt is one message of a chat platform, measured as it is shown: long arguments go with it as a file. Where a prompt
does not arrive whole, its buttons do not go out (`OutboxLane` sees to it), and the chat is told how to decide instead.

A durable reader of the feed, like any other: it goes on where it stopped, and what it writes is keyed by the approval,
so that nothing is asked twice and nothing is forgotten, whoever crashed in between.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from contextlib import closing

from bridge_mcp.core.entries import CALLS, Attachment, Button, Posted, Revised
from bridge_mcp.core.errors import Unreadable
from bridge_mcp.core.views import BRIDGE, Approval, Event, Message
from bridge_mcp.core.visible import pretty, quoted, visible
from bridge_mcp.engine.addresses import parse_message
from bridge_mcp.engine.admission import is_let_in
from bridge_mcp.engine.waiting import waiting
from bridge_mcp.ports import ChannelTraits, Clock, Store

__all__ = ["PromptLane", "asks_for", "escalation_key", "prompt", "prompt_key", "question_text"]

logger = logging.getLogger(__name__)

READER = "/prompts"
"""Its name as a reader of the feed; no client's reader can be called so."""

PAGE = 100

QUESTION = "Approve this call?"

SHOWN = 3000
"""UTF-16 code units of arguments, as shown, that stand in the message itself; longer ones go with it as a file, whole.

With the other words it stays below the 4,096 of a Telegram message, and those alone stay below the 1,024 of a caption:
either way a prompt is one message, and its buttons are below all of it.
"""

WORDS = 100
"""Characters of a name, a reason or a note, as they are shown; `bridge-mcp approvals` has the rest."""

FOLLOWED = ("approval.requested", "approval.decided", "message.failed")

APPROVE, REJECT = "/approve", "/reject"


class PromptLane:
    """Asks, and tells what came of it, in the chats whose channel has buttons."""

    def __init__(self, store: Store, traits: Mapping[str, ChannelTraits], clock: Clock) -> None:
        self._store = store
        self._traits = traits
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        with closing(self._store.agenda.watch()) as changes:
            cursor = await self._store.feed.acknowledge(READER, -1)
            for approval in reversed([each async for each in waiting(self._store)]):
                await self._ask(approval)
            while True:
                page = await self._store.feed.read(cursor, PAGE, types=FOLLOWED)
                for event in page.events:
                    await self._follow_readable(event)
                if page.events:
                    await self._store.feed.acknowledge(READER, page.cursor)
                cursor = page.cursor
                if len(page.events) < PAGE:
                    await changes.wait()

    async def _follow_readable(self, event: Event) -> None:
        """Follow an event; what cannot be read is passed over, and said: the ones behind it go on."""
        try:
            await self._follow(event)
        except Unreadable as exc:
            logger.error("no prompt for what event %d tells of: %s", event.cursor, exc)

    async def _follow(self, event: Event) -> None:
        if event.type == "message.failed":
            await self._tell_withheld(*parse_message(str(event.body.get("message", ""))))
            return
        approval = await self._store.approvals.get(str(event.body.get("approval", "")))
        if approval is None:
            return
        if event.type == "approval.requested" and approval.status == "waiting":
            await self._ask(approval)
        elif event.type == "approval.decided":
            await self._tell(approval)

    def _place(self, approval: Approval) -> str:
        """The conversation in which an approval is asked; "" where nobody is asked by a message."""
        place = approval.asked_in
        channel = place.partition("/")[0]
        traits = self._traits.get(channel)
        return place if channel != CALLS and traits is not None and traits.prompts else ""

    async def _ask(self, approval: Approval) -> None:
        place = self._place(approval)
        if place and await is_let_in(self._store.access, self._traits, place):
            posted = prompt(approval, place, self._clock.now(), key=prompt_key(approval))
            await self._store.log.record(place, posted)

    async def _tell(self, approval: Approval) -> None:
        """The prompt loses its buttons and says who decided; that is all that a late press can find."""
        by = await self._name(approval.decided_by)
        for place, key in (
            (self._place(approval), prompt_key(approval)),
            (approval.escalate_to, escalation_key(approval.id, 1)),
        ):
            seq = await self._store.traces.posted(place, key) if place else None
            if seq is not None:
                text = f"{question_text(approval, place, None)}\n\n{outcome_text(approval, by)}"
                await self._store.log.record(place, Revised(seq, text, BRIDGE, key=f"decided:{key}"))

    async def _tell_withheld(self, place: str, seq: int) -> None:
        """Where a prompt did not arrive whole, and so without its buttons: say how to decide instead."""
        failed = await self._store.history.message(place, seq)
        asked = asks_for(failed) if failed is not None else ""
        approval = await self._store.approvals.get(asked) if asked else None
        if approval is None or approval.status != "waiting":
            return
        if await is_let_in(self._store.access, self._traits, place):
            told = Posted(withheld_text(approval), BRIDGE, key=f"withheld:{approval.id}:{seq}")
            await self._store.log.record(place, told)

    async def _name(self, principal: str) -> str:
        """What people call whoever decided: the name under which they were let in; the log has the id."""
        channel, colon, subject = principal.partition(":")
        known = await self._store.access.find(channel, subject) if colon else ()
        return next((each.name for each in known if each.name), principal)


def prompt(approval: Approval, place: str, now: float, *, key: str, head: str = QUESTION) -> Posted:
    """The message that asks in `place`, with buttons; arguments that are too long for it go along, whole."""
    whole = Attachment(f"arguments:{approval.id}", "file", "text/plain", f"{approval.id}.txt")
    return Posted(
        question_text(approval, place, now, head),
        BRIDGE,
        key=key,
        files=() if is_shown(approval) else (whole,),
        buttons=buttons(approval),
    )


def buttons(approval: Approval) -> tuple[Button, ...]:
    """What can be pressed. Where several have to agree, nobody can grant later calls alone."""
    one = (
        Button("✅ Approve", f"{APPROVE} {approval.id}", token()),
        Button("❌ Reject", f"{REJECT} {approval.id}", token()),
    )
    always = Button("♾ Always here", f"{APPROVE} {approval.id} conversation", token())
    return one if approval.quorum > 1 else (*one, always)


def asks_for(message: Message) -> str:
    """The approval that the buttons of a message can give; "" for none. Only those of the bridge itself can."""
    if message.kind != "message" or message.author != BRIDGE:
        return ""
    commands = [button.value.split() for button in message.buttons]
    return next((words[1] for words in commands if words[0] == APPROVE and len(words) > 1), "")


def token() -> str:
    """What a button carries: nothing that could be guessed, or told from another."""
    return secrets.token_urlsafe(15)


def prompt_key(approval: Approval) -> str:
    return f"prompt:{approval.id}"


def escalation_key(approval: str, number: int) -> str:
    return f"escalation:{approval}:{number}"


def is_shown(approval: Approval) -> bool:
    """Whether the arguments of a call stand in its prompt, and not in a file beside it."""
    return units(fenced(approval.arguments)) <= SHOWN


def question_text(approval: Approval, place: str, now: float | None, head: str = QUESTION) -> str:
    """The question as Markdown: what will run, why it is asked, and for whom. Nothing in it can hide the rest.

    `now` is None once nobody can decide any more.
    """
    lines = [
        f"🔐 {head} `{visible(approval.tool)}`",
        fenced(approval.arguments) if is_shown(approval) else "Its arguments are in the file, whole.",
        f"Why: {brief(approval.reason)}. Asked for by {brief(approval.requested_by)}.",
    ]
    if place != approval.conversation:
        lines.append(f"It was asked for in {brief(approval.conversation)}.")
    if now is not None:
        if approval.expires_at:
            lines.append(f"It expires in {max(1, round((approval.expires_at - now) / 60))} min.")
        lines.append(f"Or write: {APPROVE} {approval.id} or {REJECT} {approval.id} REASON")
    return "\n\n".join(lines)


def withheld_text(approval: Approval) -> str:
    """What a chat is told whose prompt did not arrive whole: nobody there is to approve what they cannot see."""
    return (
        f"⚠️ A call of `{visible(approval.tool)}` waits for a verdict. It could not be shown here whole, so there is no "
        f"button to approve it. On the bridge's machine `bridge-mcp approvals` shows all of it.\n\n"
        f"To reject it here, write: {REJECT} {approval.id} REASON"
    )


def outcome_text(approval: Approval, by: str) -> str:
    """What became of it, by whom, and with which arguments where the approver changed them."""
    note = f": {brief(approval.note)}" if approval.note else ""
    match approval.status:
        case "approved":
            return f"✅ Approved by {brief(by)}{note}{edited_text(approval)}"
        case "rejected":
            return f"❌ Rejected by {brief(by)}{note}"
        case "expired":
            return "⌛ Nobody decided in time: it was not run."
        case _:
            return f"⏹ It was not run{note}" if note else "⏹ The turn was stopped: it was not run."


def edited_text(approval: Approval) -> str:
    """The arguments that an approver put in place of others, as far as the message has room for both."""
    if not approval.edited:
        return ""
    edited, first = fenced(approval.edited), fenced(approval.arguments) if is_shown(approval) else ""
    if units(edited) + units(first) <= SHOWN:
        return f"\n\nIt runs with other arguments:\n\n{edited}"
    where = f"bridge-mcp log {brief(approval.conversation)}"
    return f"\n\nIt runs with other arguments, too long for this message. They stand in: {where}"


def brief(text: str) -> str:
    """Somebody's words inside Markdown of ours, cut where they are long as shown."""
    shown = visible(text)
    return quoted(shown if len(shown) <= WORDS else f"{shown[: WORDS - 1]}…")


def fenced(arguments: str) -> str:
    """Arguments as a block of code, out of which nothing in them gets."""
    text = visible(pretty(arguments), lines=True)
    fence = "`" * max(3, longest_run(text, "`") + 1)
    return f"{fence}json\n{text}\n{fence}"


def units(text: str) -> int:
    """UTF-16 code units, in which chat platforms measure."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def longest_run(text: str, char: str) -> int:
    """The length of the longest run of a character."""
    longest = run = 0
    for each in text:
        run = run + 1 if each == char else 0
        longest = max(longest, run)
    return longest
