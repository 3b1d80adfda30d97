"""What a chat is told of an approval: the question with its buttons, how to decide otherwise, and what came of it."""

from __future__ import annotations

import secrets

from bridge_mcp.core.entries import Attachment, Button, Posted
from bridge_mcp.core.projections import BRIDGE, Approval, Message
from bridge_mcp.core.safe_text import escape_markdown, pretty, visible

__all__ = ["asks_for", "escalation_key", "outcome_text", "prompt", "prompt_key", "question_text", "withheld_text"]

QUESTION = "Approve this call?"

SHOWN = 3000
"""UTF-16 code units of arguments, as shown, that stand in the message itself; longer ones go with it as a file, whole.

With the other words it stays below the 4,096 of a Telegram message, and those alone stay below the 1,024 of a caption:
either way a prompt is one message, and its buttons are below all of it.
"""

WORDS = 100
"""Characters of a name, a reason or a note, as they are shown; `bridge-mcp approvals` has the rest."""

APPROVE, REJECT = "/approve", "/reject"


def prompt(approval: Approval, place: str, now: float, *, key: str, head: str = QUESTION) -> Posted:
    """The message that asks in `place`, with buttons; arguments that are too long for it go along, whole."""
    whole = Attachment(f"arguments:{approval.id}", "file", "text/plain", name=f"{approval.id}.txt")
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
    return escape_markdown(shown if len(shown) <= WORDS else f"{shown[: WORDS - 1]}…")


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
