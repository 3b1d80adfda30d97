"""What the commands say that chat and show chats: chat, send, say, scheduled, conversations, events, log, export.

The words for each kind of entry and of event stand in `cli.lines`, a table by kind.
"""

from __future__ import annotations

# -- chat ----------------------------------------------------------------------------------------------------

ELSEWHERE = "an approver decides in a chat"
CLI_IS_OFF = f"{ELSEWHERE} ([approvals] cli is off)"
HERE = "/approve or /reject"
BY_KEY = "y or n, and Enter"
NO_CONVERSATION = "There is no conversation yet."
ONCE_MORE = "Ctrl-C once more leaves."
OWN_COMMANDS = {"/open": "go to another conversation", "/quit": "leave, as Ctrl-D does"}
OPEN_WHAT = "CHANNEL/NAME"
"""What stands behind `/open`."""


def begins(conversation: str) -> str:
    return f"{conversation}: /help lists the commands, Ctrl-D ends the chat"


def waits_first(how: str) -> str:
    return f"A call waits first: {how}"


def decide_it(approval: str) -> str:
    return f"/approve {approval}   or   /reject {approval} REASON"


def run_it(tool: str) -> str:
    return f"Run {tool}? y/n "


def runs(tool: str, cleared_by: str) -> str:
    return f"{tool} runs" if cleared_by == "verdict" else f"{tool} runs (free by: {cleared_by})"


# -- say --wait ----------------------------------------------------------------------------------------------

SET_A_MODEL = (
    "For an assistant set BRIDGE_MCP_MODEL (for example openai/gpt-5-mini, with OPENAI_API_KEY), or write "
    "[models.default] (bridge-mcp init), and start again."
)
RESPONDER_OFF = "Nobody answers here (responder off)."
RESPONDER_RELAY = "No model answers here: only an MCP client can, while its model is told to."
REMOVE_RESPONDER = "Remove responder from the channel."


def waits(how: str) -> str:
    return f"A call waits for a verdict: {how}"


def approve_by(approval: str) -> str:
    return f"bridge-mcp approvals approve {approval}"


def no_answer(outcome: str, text: str) -> str:
    return f"No answer ({outcome}). {text}"


# -- send, say, scheduled ------------------------------------------------------------------------------------

KEY_USED = " (that key had been used: nothing was sent anew)"
CANCELLED_TOO_LATE = "Its time came first: it is sent."
NONE_SCHEDULED = "No message waits for its time."


def sent(status: str, message: str, *, reason: str, repeated: bool) -> str:
    return f"{status}  {message}{f': {reason}' if reason else ''}{KEY_USED if repeated else ''}"


def said(message: str) -> str:
    return f"said  {message}"


def cancelled(message: str) -> str:
    return f"Cancelled: {message}"


def scheduled(message: str, *, at: str, conversation: str, by: str, text: str) -> str:
    return f"{message}  {at}  {conversation}, by {by}: {text}"


# -- conversations, events, log, export ----------------------------------------------------------------------

NO_EVENT = "There is no such event yet."
NONE_LIKE_THAT = "No conversation is like that."
LOG_IS_WHOLE = "the log is whole, and all that is computed from it agrees"
REBUILD = "What is computed from the log can be computed anew: bridge-mcp rebuild"


def next_conversations(cursor: str) -> str:
    return f"There are more: bridge-mcp conversations --cursor {cursor}"


def events_gone(first: int) -> str:
    return f"(older events are gone; the first one is {first})"


def was_forgotten(what: str, by: str, when: str) -> str:
    return f"{what} was forgotten by {by}, {when}"


def unreadable(seq: int, reason: str) -> str:
    return f"#{seq} cannot be read: {reason}"


def file(name: str) -> str:
    return f"file: {name}"


def calls(tool: str) -> str:
    return f"calls {tool}"


def now_says(message: int) -> str:
    return f"#{message} now says"


def waits_for_verdict(tool: str, reason: str) -> str:
    return f"{tool} waits for a verdict ({reason})"


def verdict(says: str, *, by: str, note: str) -> str:
    return f"{says} by {by or SOMEBODY}{f': {note}' if note else ''}"


THE_CALL = "the call"
SOMEBODY = "somebody"


def stopped(by: str, reason: str) -> str:
    return f"stopped by {by or SOMEBODY}{f': {reason}' if reason else ''}"


def cleared(by: str) -> str:
    return f"the history was cleared by {by or SOMEBODY}"


def forgot(by: str) -> str:
    return f"content was forgotten by {by}"
