"""The old Markdown style: no nesting, and everything between two marks is taken as it stands.

https://core.telegram.org/bots/api#markdown-style. Knows texts and entities only.
"""

from __future__ import annotations

import re

from bridge_mcp.testing.telegram.links import marked_link
from bridge_mcp.testing.telegram.refusals import Refusal, bad_request
from bridge_mcp.testing.telegram.texts import Draft, Rich, byte_at

__all__ = ["parse_markdown"]

KINDS = {"_": "italic", "*": "bold", "`": "code"}
LANGUAGE = re.compile(r"([^\s`]+)(?=\s)")
NEWLINE = re.compile(r"\r\n|\n\r|\n|\r")


def parse_markdown(text: str) -> Rich:
    """The text without its marks. Raises `Refusal` where Telegram would."""
    draft, at = Draft(), 0
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] in ("_", "*", "`", "["):
            draft.put(text[at + 1])
            at += 2
        elif char == "[":
            at = link(text, at, draft)
        elif text.startswith("```", at):
            at = fence(text, at, draft)
        elif char in KINDS:
            end = found_end(text, at, at + 1, char)
            start = draft.units
            draft.put(text[at + 1 : end])
            draft.mark(KINDS[char], start)
            at = end + 1
        else:
            draft.put(char)
            at += 1
    return draft.done()


def fence(text: str, at: int, draft: Draft) -> int:
    """A block of code that starts here; where it ends."""
    inner, language = at + 3, ""
    if named := LANGUAGE.match(text, inner):
        language, inner = named.group(1), named.end()
    if newline := NEWLINE.match(text, inner):
        inner = newline.end()
    end, start = found_end(text, at, inner, "```"), draft.units
    draft.put(text[inner:end])
    draft.mark("pre", start, language=language)
    return end + 3


def link(text: str, at: int, draft: Draft) -> int:
    """A link that starts here; where it ends. Without an address its text is the address."""
    end, start = found_end(text, at, at + 1, "]"), draft.units
    label = text[at + 1 : end]
    draft.put(label)
    if text[end + 1 : end + 2] != "(":
        marked_link(draft, start, label)
        return end + 1
    close = text.find(")", end + 2)
    close = len(text) if close < 0 else close
    marked_link(draft, start, text[end + 2 : close])
    return close + 1


def found_end(text: str, begin: int, inner: int, mark: str) -> int:
    end = text.find(mark, inner)
    if end < 0:
        raise unended(text, begin)
    return end


def unended(text: str, begin: int) -> Refusal:
    place = byte_at(text, begin)
    return bad_request(f"can't parse entities: Can't find end of the entity starting at byte offset {place}")
