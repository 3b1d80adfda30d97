"""What the bridge itself says to people in chats, all of it but two tables: sentences, ready to be translated.

The two stand with what they tell of: questions about calls in `operations/approval_texts.py`, and why a model gave no
answer in `models/errors.py`. What a command that fails says is its error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

TYPE_CHECKING = False  # a hook loads this module with the errors, and has no time for `typing`
if TYPE_CHECKING:
    from bridge_mcp.core.entries import Responder

__all__ = [
    "ALREADY_ANSWERED",
    "BUTTON_GONE",
    "BUTTON_NOT_YOURS",
    "CLEARED",
    "ESCALATED",
    "FOR_THE_OWNER",
    "GAVE_UP",
    "NOTHING_TO_CLEAR",
    "NOTHING_TO_STOP",
    "NO_ANSWER",
    "NO_TOOLS",
    "QUESTION_CLOSED",
    "RELOADED",
    "REMINDED",
    "STOPPED",
    "TOOL_MISSING",
    "account_connected",
    "bots_wait",
    "failed",
    "let_in",
    "posts_wait",
    "reminder",
    "send_with_slash",
    "started",
    "stranger",
    "typo",
    "unknown_command",
    "unspoken",
    "who_is_who",
]

# -- who comes in --------------------------------------------------------------------------------------------

ANSWERED_BY: Mapping[Responder, str] = {
    "assistant": "Write to me, and the assistant answers.",
    "relay": "I keep what you write for whoever is connected to this bridge; they answer when they look.",
    "off": "Nobody answers here at the moment, but messages are kept.",
}
HELP = "/help lists the commands."
SET_A_MODEL = 'To have a model answer, its owner sets `[models.default]` and `responder = "assistant"` in bridge.toml.'


def stranger(code: str) -> str:
    """What somebody unknown is told, once."""
    return f"This bot does not know you yet. Have its owner run: bridge-mcp pair add {code}"


def account_connected(code: str) -> str:
    """What somebody is told, once, who let the bot into the chats of their own account."""
    return (
        f"Your account is connected. For its chats to be served, have this bot's owner run: bridge-mcp pair add {code}"
    )


def let_in(responder: Responder, *, may_decide: bool) -> str:
    """What somebody is told who was just let in; an approver also how a model would answer."""
    more = f" {SET_A_MODEL}" if responder == "relay" and may_decide else ""
    return f"You are in. {ANSWERED_BY[responder]} {HELP}{more}"


def bots_wait(turns: int) -> str:
    """What a chat is told, once, in which bots answer each other."""
    often = "once" if turns == 1 else f"{turns} times"
    return f"Other bots have spoken to me {often} since a person wrote here. I answer them again once somebody has."


def posts_wait(turns: int, quiet_s: float) -> str:
    """What a channel is told, once, in which posts and answers follow each other without a pause."""
    often = "once" if turns == 1 else f"{turns} times in a row"
    pause = f"{quiet_s / 60:g} minutes"
    return (
        f"I have answered {often} here, and cannot tell whether people or bots post. I go on after {pause} of silence."
    )


# -- buttons and questions -----------------------------------------------------------------------------------

BUTTON_NOT_YOURS = "This button is not yours to press."
BUTTON_GONE = "This button is no longer in use."
QUESTION_CLOSED = "This question is no longer open."
ALREADY_ANSWERED = "Somebody was faster."

# -- commands ------------------------------------------------------------------------------------------------

CLEARED = "The history is cleared; I start afresh."
NOTHING_TO_CLEAR = "There was nothing to clear."
STOPPED = "Stopped."
NOTHING_TO_STOP = "There was nothing to stop."
RELOADED = "Tool servers are connected again, and this chat begins afresh."
NO_TOOLS = "There are no tools here."


def started(channel: str, responder: Responder) -> str:
    """The answer to /start."""
    return f"This chat is connected to {channel}. {ANSWERED_BY[responder]} {HELP}"


def who_is_who(name: str, conversation: str, scopes: Iterable[str]) -> str:
    """The answer to /whoami."""
    return f"You are {name}, in {conversation}, and may: {', '.join(sorted(scopes))}."


def typo(command: str) -> str:
    """What somebody is told who wrote nearly a command."""
    return f"There is no such command. Did you mean {command}?"


def send_with_slash(command: str) -> str:
    """What somebody is told who wrote a command's bare name while it would do something."""
    return f"Did you mean the command {command}? Then send it with its slash."


def unknown_command(command: str) -> str:
    """What somebody is told whose message is one word with a slash, and no command."""
    return f"There is no command {command}. /help lists those there are; put words behind it to send it all the same."


# -- turns that end without an answer ------------------------------------------------------------------------


def unspoken(reason: str) -> str:
    """What a chat is told whose answers cannot be spoken."""
    return f"🔇 Answers cannot be spoken just now ({reason}): they stay texts."


NO_ANSWER = "The model could not answer just now."
GAVE_UP = "I could not finish this. Please try again, or ask for less at once."
FOR_THE_OWNER = "The owner of this bot has to look at it."
"""Where only the bridge's owner can mend something; whoever that is reads how, in its place."""


def failed(reference: str) -> str:
    """A turn met a mistake of the bridge's own, again and again."""
    return f"I could not finish this: something in the bridge failed. Its log tells more: reference {reference}."


# -- reminders -----------------------------------------------------------------------------------------------

ESCALATED = "Nobody has decided yet: approve this call?"
REMINDED = "Still waiting for a verdict:"
TOOL_MISSING = "Approved, and waiting for its tool, which is not there now:"


def reminder(text: str) -> str:
    """What the assistant reads when a reminder that it set is due."""
    return f"Reminder that you asked for: {text}"
