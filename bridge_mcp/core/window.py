"""Fits the past into a model's context window, and says where to cut it when it no longer fits.

A cut is made at the first message of a turn, never between a call and its result, and it is an entry in the log
(`Summarised`), so that the beginning of requests stays the same until the next one: providers cache an unchanged
beginning. So a cut removes more than it must: the rest fills half of the window.
"""

from __future__ import annotations

from msgspec import Struct, structs
from msgspec.structs import replace

from bridge_mcp.core.entries import Call
from bridge_mcp.core.messages import ChatMessage, message_tokens, shortened, without_files
from bridge_mcp.core.token_estimate import AROUND, files_tokens, tokens_of
from bridge_mcp.core.tools import canonical
from bridge_mcp.core.transcript import SUMMARY, ModelView, Turn

__all__ = ["Fitted", "Window", "fit", "fit_smaller_window", "squeeze"]

KEEP = 0.5
"""How much of the window the turns that are kept may fill after a cut."""

USUAL = 128_000
"""Tokens of a window of unknown size."""

LEFT_OUT = "[earlier calls and their results were left out here: there was no room for them]"

SHORTEST = 120
"""Characters below which a text is not shortened further."""


class Window(Struct, frozen=True):
    """The limits of one request."""

    context_tokens: int | None = None
    """Tokens of request and reply together; None: the model's known size, else 128,000."""
    reserve_tokens: int | None = None
    """Tokens reserved for the reply; None: 4,096, or a quarter of a small window. Never more than half of it."""
    messages: int = 200
    """Messages of the conversation, at most."""
    result_chars: int = 20_000
    """Characters of one tool's result; the model can read the rest by a tool."""
    image_turns: int = 3
    """In how many last turns images are shown."""
    summarise: bool = True
    """Whether the model summarises what a cut removes."""

    def known_to_be(self, context_tokens: int | None) -> Window:
        """The window with the model's known size, unless the config sets one."""
        return self if self.context_tokens or not context_tokens else replace(self, context_tokens=context_tokens)

    @property
    def room(self) -> int:
        """The budget of a request, in tokens."""
        context = self.context_tokens or USUAL
        reserve = min(4_096, context // 4) if self.reserve_tokens is None else min(self.reserve_tokens, context // 2)
        return max(1, context - reserve)

    @property
    def shown_chars(self) -> int:
        """Characters of a tool's result that are shown at once: `result_chars`, but an eighth of a small window."""
        return max(SHORTEST, min(self.result_chars, self.room * 2 // 8))


class Fitted(Struct, frozen=True):
    """The messages of a request, and the cut that should come before it."""

    messages: tuple[ChatMessage, ...]
    estimate: int
    """Tokens of these messages, before calibration."""
    cut: int | None = None
    """Where the past should be cut first: the seq of a turn's first message; None: it fits as it is."""


def fit(past: ModelView, window: Window, room: float) -> Fitted:
    """The past as messages of at most `room` tokens (by estimate, what comes with every request already taken off).

    With a cut, the messages are those that would be left, without a summary of the removed ones.
    """
    summary_tokens = AROUND + tokens_of(SUMMARY) + tokens_of(past.summary) if past.summary else 0
    cost, count = sum(turn.tokens for turn in past.turns), sum(len(turn.messages) for turn in past.turns)
    if past.whole and summary_tokens + cost <= room and count <= window.messages:
        return Fitted(past.messages(), summary_tokens + cost)
    pieces = past.pieces()
    first = first_kept(pieces, past.whole, int(window.messages * KEEP), room * KEEP)
    shorter = replace(past, turns=tuple(pieces[first:]))
    cut = shorter.turns[0].first if first or not past.whole else None
    messages = squeeze(shorter.messages(), room, window.messages)
    return Fitted(messages, sum(map(message_tokens, messages)), cut)


def first_kept(pieces: list[Turn], whole: bool, messages: int, room: float) -> int:
    """The index of the first piece to keep; the last one is always kept."""
    first = len(pieces) - 1
    room -= pieces[first].tokens
    messages -= len(pieces[first].messages)
    while first > 0 and pieces[first - 1].tokens <= room and len(pieces[first - 1].messages) <= messages:
        first -= 1
        room -= pieces[first].tokens
        messages -= len(pieces[first].messages)
    # If the beginning of the log is missing, the first turn may be incomplete too.
    return max(first, 1) if not whole and len(pieces) > 1 else first


def squeeze(messages: tuple[ChatMessage, ...], room: float, most: int = 0) -> tuple[ChatMessage, ...]:
    """Make a single turn fit: drop older files, and shorten long texts.

    If even that is not enough, or if there are more than `most` messages (0: any number), the oldest rounds of calls
    go, each with its results; messages of people stay.
    """
    if most and len(messages) > most:
        messages = without_rounds_beyond(messages, most)
    if sum(map(message_tokens, messages)) <= room:
        return messages
    newest = max((n for n, message in enumerate(messages) if message.role != "tool"), default=0)
    messages = (*map(without_files, messages[:newest]), *messages[newest:])
    if sum(map(message_tokens, messages)) <= room:
        return messages
    if sum(files_tokens(message.attachments) for message in messages) > room / 2:
        messages = tuple(map(without_files, messages))
    chars, tried = 8_000, messages
    while chars >= SHORTEST:
        for upto in (newest, len(messages)):
            tail = (clip_message(message, 2 * chars) for message in messages[upto:])
            tried = (*(clip_message(message, chars) for message in messages[:upto]), *tail)
            if sum(map(message_tokens, tried)) <= room:
                return tried
        chars //= 2
    return without_old_rounds(tried, room)


def fit_smaller_window(messages: tuple[ChatMessage, ...], room: float) -> tuple[ChatMessage, ...]:
    """The messages of a request, for a smaller window: drops as many of the oldest turns as necessary, this once.

    The system prompt and a summary stay.
    """
    costs = [message_tokens(message) for message in messages]
    total = sum(costs)
    begin = next((n for n, m in enumerate(messages) if m.role != "system" and not m.text.startswith(SUMMARY)), 0)
    end = begin
    for index in range(begin + 1, len(messages)):
        if total <= room:
            break
        before = messages[index - 1]
        if messages[index].role == "user" and before.role == "assistant" and not before.calls:
            total -= sum(costs[end:index])
            end = index
    system = messages[:1] if messages and messages[0].role == "system" else ()
    remaining = (*messages[len(system) : begin], *messages[end:])
    return (*system, *squeeze(remaining, room - sum(map(message_tokens, system))))


def clip_message(message: ChatMessage, chars: int) -> ChatMessage:
    """The message with at most about so many characters in its text and in the arguments of each call."""
    calls = tuple(
        call if len(call.arguments) <= chars else structs.replace(call, arguments=omission_note(call))
        for call in message.calls
    )
    text = shortened(message.text, chars, message.call)
    return message if text is message.text and calls == message.calls else replace(message, text=text, calls=calls)


def omission_note(call: Call) -> str:
    """What stands in place of long arguments."""
    return canonical({"left_out": f"{len(call.arguments)} characters of arguments"})


def without_rounds_beyond(messages: tuple[ChatMessage, ...], most: int) -> tuple[ChatMessage, ...]:
    """At most so many messages, as far as there are rounds of calls to leave out; a note stands in their place.

    They go several at a time, so that the beginning stays the same over some rounds: providers keep what they have
    computed for it.
    """
    step = max(1, most // 2)
    excess = len(messages) + 1 - most  # the note is one more
    to_leave_out, kept, index, note_at = -(-excess // step) * step, list[ChatMessage](), 0, None
    while index < len(messages):
        end = index + 1
        while end < len(messages) and messages[end].role == "tool":
            end += 1
        if to_leave_out > 0 and messages[index].calls and end < len(messages):
            to_leave_out -= end - index
            note_at = len(kept) if note_at is None else note_at
        else:
            kept += messages[index:end]
        index = end
    if note_at is not None:
        kept.insert(note_at, ChatMessage("user", LEFT_OUT))
    return tuple(kept)


def without_old_rounds(messages: tuple[ChatMessage, ...], room: float) -> tuple[ChatMessage, ...]:
    """Without as many of the oldest calls, and then of the oldest other messages, as is needed; the last one stays."""
    remaining = list(messages)
    total = sum(map(message_tokens, remaining))
    for calls_only in (True, False):
        index = 0
        while total > room and index < len(remaining) - 1:
            end = index + 1
            while end < len(remaining) and remaining[end].role == "tool":
                end += 1
            if (remaining[index].calls or not calls_only) and end < len(remaining):
                total -= sum(map(message_tokens, remaining[index:end]))
                del remaining[index:end]
            else:
                index = end
    return tuple(remaining)
