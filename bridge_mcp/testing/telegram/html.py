"""The HTML style: the few tags Telegram knows, and its words for those it does not.

https://core.telegram.org/bots/api#html-style. Knows texts and entities only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bridge_mcp.testing.telegram.links import marked_link
from bridge_mcp.testing.telegram.refusals import Refusal, bad_request
from bridge_mcp.testing.telegram.texts import Draft, Rich, byte_at

__all__ = ["parse_html"]

KINDS = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em"), "italic"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("s", "strike", "del"), "strikethrough"),
    **dict.fromkeys(("tg-spoiler", "span"), "spoiler"),
}
OTHERS = frozenset({"a", "code", "pre", "blockquote", "tg-emoji"})
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
CHARACTER = re.compile(r"&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z]+));?", re.IGNORECASE)
NAME = re.compile(r"[^\s>]*")
ATTRIBUTE = re.compile(r"""[^\s=>/"']*""")
TOKEN = re.compile(r"[A-Za-z0-9.-]*")
BLANK = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Opened:
    tag: str
    argument: str
    start: int
    """In code units of the result."""
    before: int
    """In characters of the result."""


def parse_html(text: str) -> Rich:
    """The text without its tags. Raises `Refusal` where Telegram would."""
    draft, at, opened = Draft(), 0, list[Opened]()
    while at < len(text):
        if text[at] == "&" and (decoded := character(text, at)):
            draft.put(decoded[0])
            at = decoded[1]
        elif text.startswith("</", at):
            at = end_tag(text, at, opened, draft)
        elif text[at] == "<":
            tag, argument, at = start_tag(text, at)
            opened.append(Opened(tag, argument, draft.units, len(draft.text)))
        else:
            draft.put(text[at])
            at += 1
    if opened:
        raise unparsed(f'Can\'t find end tag corresponding to start tag "{opened[-1].tag}"')
    rich = draft.done()
    return replace(rich, entities=tuple(replace(e, language="") if e.type == "code" else e for e in rich.entities))


def character(text: str, at: int) -> tuple[str, int] | None:
    """What a character reference stands for and where it ends; None when it is none and stands for itself."""
    found = CHARACTER.match(text, at)
    if not found:
        return None
    sixteen, ten, name = found.groups()
    if name:
        return (NAMED[name], found.end()) if name in NAMED else None
    code = int(sixteen, 16) if sixteen else int(ten)
    return (chr(code), found.end()) if 0 < code < 0x10FFFF else None


def start_tag(text: str, at: int) -> tuple[str, str, int]:
    """The tag, its argument (an address, a language, ...), and where it ends."""
    place, end = byte_at(text, at), matched(NAME, text, at + 1)
    if end == len(text):
        raise unparsed(f"Unclosed start tag at byte offset {place}")
    tag, argument = text[at + 1 : end].lower(), ""
    if tag not in KINDS and tag not in OTHERS:
        raise unparsed(f'Unsupported start tag "{tag}" at byte offset {place}')
    while (end := matched(BLANK, text, end)) < len(text) and text[end] != ">":
        name, value, end = attribute(text, end, tag, place)
        argument = meaning(tag, name, value) or argument
    if end >= len(text):
        raise unparsed(f'Unclosed start tag "{tag}" at byte offset {place}')
    if tag == "span" and argument != "spoiler":
        raise unparsed(f'Tag "span" must have class "tg-spoiler" at byte offset {place}')
    return tag, argument, end + 1


def attribute(text: str, at: int, tag: str, place: int) -> tuple[str, str | None, int]:
    """One attribute: its name, its value (None: it has none), and where it ends."""
    end = matched(ATTRIBUTE, text, at)
    name = text[at:end]
    if not name:
        raise unparsed(f'Empty attribute name in the tag "{tag}" at byte offset {place}')
    end = matched(BLANK, text, end)
    if text[end : end + 1] != "=":
        return name, None, end
    end = matched(BLANK, text, end + 1)
    if end == len(text):
        raise unparsed(f'Unclosed start tag "{tag}" at byte offset {place}')
    if text[end] in "\"'":
        close = text.find(text[end], end + 1)
        if close < 0 or close + 1 == len(text):
            raise unparsed(f"Unclosed start tag at byte offset {place}")
        return (
            name,
            CHARACTER.sub(lambda m: (character(m.group(), 0) or (m.group(), 0))[0], text[end + 1 : close]),
            close + 1,
        )
    stop = matched(TOKEN, text, end)
    if text[stop : stop + 1] not in (">", " ", "\n", "\t", "\r", ""):
        raise unparsed(f"Unexpected end of name token at byte offset {byte_at(text, end)}")
    return name, text[end:stop].lower(), stop


def meaning(tag: str, name: str, value: str | None) -> str:
    """What an attribute says, of those that say anything."""
    if (tag, name) == ("blockquote", "expandable"):
        return "expandable"
    if value is None:
        return ""
    if (tag, name) in {("a", "href"), ("tg-emoji", "emoji-id")}:
        return value
    prefix = {("code", "class"): "language-", ("span", "class"): "tg-"}.get((tag, name))
    return value.removeprefix(prefix) if prefix and value.startswith(prefix) else ""


def end_tag(text: str, at: int, opened: list[Opened], draft: Draft) -> int:
    """Close the tag that was opened last; where the end tag ends."""
    place = byte_at(text, at)
    if not opened:
        raise unparsed(f"Unexpected end tag at byte offset {place}")
    end = matched(NAME, text, at + 2)
    name, close = text[at + 2 : end].lower(), matched(BLANK, text, end)
    if text[close : close + 1] != ">":
        raise unparsed(f"Unclosed end tag at byte offset {place}")
    last = opened.pop()
    if name and name != last.tag:
        raise unparsed(f'Unmatched end tag at byte offset {place}, expected "</{last.tag}>", found "</{name}>"')
    if draft.units > last.start:
        mark(last, draft)
    return close + 1


def mark(last: Opened, draft: Draft) -> None:
    """Turn a tag into an entity. `pre` and `code` around the same stretch are one block with a language."""
    if last.tag in KINDS:
        draft.mark(KINDS[last.tag], last.start)
    elif last.tag == "a":
        marked_link(draft, last.start, last.argument or draft.text[last.before :])
    elif last.tag == "blockquote":
        draft.mark("expandable_blockquote" if last.argument else "blockquote", last.start)
    elif last.tag == "tg-emoji":
        if not last.argument.isdigit():
            raise unparsed("Invalid custom emoji identifier specified")
        draft.mark("custom_emoji", last.start, custom_emoji_id=last.argument)
    else:
        other = {"pre": "code", "code": "pre"}[last.tag]
        inner = draft.entities[-1] if draft.entities else None
        language = inner.language if inner and last.tag == "pre" else last.argument
        if inner and language and (inner.type, inner.offset, inner.end) == (other, last.start, draft.units):
            draft.entities[-1] = replace(inner, type="pre", language=language)
        else:
            draft.mark(last.tag, last.start, language=last.argument)


def matched(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def unparsed(what: str) -> Refusal:
    return bad_request(f"can't parse entities: {what}")
