"""The texts of approvals in chats: the prompt with its buttons, how to decide without them, and the outcome."""

from __future__ import annotations

import secrets

from bridge_mcp.core.entries import Attachment, Button, Posted
from bridge_mcp.core.grants import makes_grants
from bridge_mcp.core.projections import BRIDGE, Approval, Message
from bridge_mcp.core.safe_text import escape_markdown, pretty, visible
from bridge_mcp.ports import Capabilities, Form

__all__ = [
    "asks_for",
    "escalation_key",
    "form_of",
    "outcome_text",
    "prompt",
    "prompt_key",
    "question_text",
    "takes_words",
    "withheld_text",
]

QUESTION = "Approve this call?"

WORDS = 100
"""Characters of a name, a reason or a note, as shown; `bridge-mcp approvals` has the rest."""

ASKS = 200
"""Characters of the first words of a question."""

REASON = 200
"""Characters of what a reviewer says, as they are shown."""

APPROVE, REJECT, EDIT = "/approve", "/reject", "/edit"


def prompt(approval: Approval, place: str, now: float, *, key: str, head: str = QUESTION, can: Capabilities) -> Posted:
    """The message that asks in the chat `place`, with buttons; long arguments are attached as a file.

    `can`: what the place's channel can do. Where it has forms, arguments can be edited. Where long ones cannot be
    shown at all, it only tells that a call waits, under another key: it is no prompt that could be approved there.
    """
    if not is_shown(approval, can) and not can.file_bytes:
        return Posted(withheld_text(approval), BRIDGE, key=f"withheld:{key}")
    whole = Attachment(f"arguments:{approval.id}", "file", "text/plain", name=f"{approval.id}.txt")
    return Posted(
        question_text(approval, place, now, head, can=can),
        BRIDGE,
        key=key,
        files=() if is_shown(approval, can) else (whole,),
        buttons=buttons(approval, can) if can.buttons else (),
    )


def buttons(approval: Approval, can: Capabilities) -> tuple[Button, ...]:
    """The buttons. With a quorum there is none for a grant or for other arguments: nobody decides those alone."""
    once = (
        Button("✅ Approve", f"{APPROVE} {approval.id}", token()),
        Button("❌ Reject", f"{REJECT} {approval.id}", token()),
    )
    if can.forms and is_shown(approval, can) and not approval.fixed and approval.quorum == 1:
        once = (*once, Button("✏️ Edit", f"{EDIT} {approval.id}", token()))
    if not makes_grants(approval.tool):
        remember = Button("♾ Always, as below", f"{APPROVE} {approval.id} always", token())
        return (*once, remember) if approval.offers and approval.quorum == 1 else once
    always = Button("♾ Always here", f"{APPROVE} {approval.id} conversation", token())
    return once if approval.quorum > 1 else (*once, always)


def asks_for(message: Message) -> str:
    """The approval id in the buttons of a message by the bridge itself; "" for none."""
    if message.kind != "message" or message.author != BRIDGE:
        return ""
    commands = [button.value.split() for button in message.buttons]
    return next((words[1] for words in commands if words[0] == APPROVE and len(words) > 1), "")


def takes_words(value: str) -> bool:
    """Whether a button's command takes what was written into its form."""
    return value.split()[0] in (REJECT, EDIT)


def form_of(approval: Approval, value: str) -> Form | None:
    """The form that a button of a prompt opens where there are forms; None: it takes effect at once."""
    match value.split()[0]:
        case "/reject":
            return Form("Reject this call", "Why? The assistant reads it.")
        case "/edit":
            return Form("Approve with other arguments", "Arguments, as JSON", pretty(approval.arguments), wanted=True)
        case _:
            return None


def token() -> str:
    """A random token for a button."""
    return secrets.token_urlsafe(15)


def prompt_key(approval: Approval) -> str:
    """The idempotency key of an approval's prompt."""
    return f"prompt:{approval.id}"


def escalation_key(approval: str, number: int) -> str:
    """The idempotency key of an approval's n-th escalation."""
    return f"escalation:{approval}:{number}"


def is_shown(approval: Approval, can: Capabilities) -> bool:
    """Whether the arguments of a call are in its prompt, and not in a file beside it."""
    return units(fenced(approval.arguments)) <= can.prompt_chars


def question_text(approval: Approval, place: str, now: float | None, head: str = QUESTION, *, can: Capabilities) -> str:
    """The question as Markdown: what will run, why it needs approval, and for whom. Nothing in it can hide the rest.

    `now` is None once nobody can decide any more.
    """
    lines = [
        first_line(approval, head),
        fenced(approval.arguments) if is_shown(approval, can) else "Its arguments are in the file, whole.",
        f"Why: {brief(approval.reason)}. Asked for by {brief(approval.requested_by)}.",
    ]
    if approval.review:
        lines.append(review_text(approval))
    if approval.offers and now is not None:
        lines.append("Always adds to its own settings:\n" + "\n".join(fenced_line(offer) for offer in approval.offers))
    if place != approval.conversation:
        lines.append(f"It was asked for in {brief(approval.conversation)}.")
    if now is not None:
        if approval.expires_at:
            lines.append(f"It expires in {max(1, round((approval.expires_at - now) / 60))} min.")
        lines.append(f"Or write: {APPROVE} {approval.id} or {REJECT} {approval.id} REASON")
    return "\n\n".join(lines)


def first_line(approval: Approval, head: str) -> str:
    """What is asked: for which tool, or in the words of whoever asks, where it has better ones."""
    if not approval.asks:
        return f"🔐 {head} `{visible(approval.tool)}`"
    asks = f"{brief(approval.asks, ASKS)}:"
    return f"🔐 {asks}" if head == QUESTION else f"🔐 {head} {asks}"


def review_text(approval: Approval) -> str:
    """What the reviewer says, for whoever decides: a model's word, and no verdict."""
    would = {"approve": "would approve this", "reject": "would reject this", "escalate": "leaves this to you"}
    reason = f": {brief(approval.review_reason, REASON)}" if approval.review_reason else "."
    return f"🤖 The reviewer ({brief(approval.reviewer)}) {would[approval.review]}{reason}"


def withheld_text(approval: Approval) -> str:
    """The text for a chat whose prompt did not arrive complete: nobody there may approve what they cannot see."""
    return (
        f"⚠️ A call of `{visible(approval.tool)}` waits for a verdict. It could not be shown here whole, so there is no "
        f"button to approve it. On the bridge's machine `bridge-mcp approvals` shows all of it.\n\n"
        f"To reject it here, write: {REJECT} {approval.id} REASON"
    )


def outcome_text(approval: Approval, by: str, can: Capabilities) -> str:
    """The outcome: the verdict, by whom, and with which arguments if the approver changed them."""
    note = f": {brief(approval.note)}" if approval.note else ""
    match approval.status:
        case "approved":
            return f"✅ Approved by {brief(by)}{note}{edited_text(approval, can)}"
        case "rejected":
            return f"❌ Rejected by {brief(by)}{note}"
        case "expired":
            return "⌛ Nobody decided in time: it was not run."
        case _ if approval.asks and note:
            return f"⏹ {brief(approval.note)}"
        case _:
            return f"⏹ It was not run{note}" if note else "⏹ The turn was stopped: it was not run."


def edited_text(approval: Approval, can: Capabilities) -> str:
    """The arguments that an approver changed, as far as the message has room for both."""
    if not approval.edited:
        return ""
    edited, first = fenced(approval.edited), fenced(approval.arguments) if is_shown(approval, can) else ""
    if units(edited) + units(first) <= can.prompt_chars:
        return f"\n\nIt runs with other arguments:\n\n{edited}"
    where = f"bridge-mcp log {brief(approval.conversation)}"
    return f"\n\nIt runs with other arguments, too long for this message. They stand in: {where}"


def brief(text: str, most: int = WORDS) -> str:
    """An untrusted text, escaped for Markdown, and cut by its length as shown."""
    clean = visible(text)
    return escape_markdown(clean if len(clean) <= most else f"{clean[: most - 1]}…")


def fenced_line(text: str) -> str:
    """A line of code, whole, out of which nothing in it gets."""
    fence = "`" * (longest_run(text, "`") + 1)
    return f"{fence}{visible(text)}{fence}" if fence == "`" else f"{fence} {visible(text)} {fence}"


def fenced(arguments: str) -> str:
    """Arguments as a code block that nothing in them can close."""
    text = visible(pretty(arguments), lines=True)
    fence = "`" * max(3, longest_run(text, "`") + 1)
    return f"{fence}json\n{text}\n{fence}"


def units(text: str) -> int:
    """UTF-16 code units, in which chat platforms measure."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def longest_run(text: str, char: str) -> int:
    """The length of the longest run of a character."""
    longest = run = 0
    for letter in text:
        run = run + 1 if letter == char else 0
        longest = max(longest, run)
    return longest
