"""The MarkdownV2 style: nested marks, and a refusal for each reserved character that was not escaped.

https://core.telegram.org/bots/api#markdownv2-style. Knows texts and entities only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge_mcp.testing.telegram.links import linked_emoji, marked_link
from bridge_mcp.testing.telegram.refusals import Refusal, bad_request
from bridge_mcp.testing.telegram.texts import Draft, Rich, byte_at

__all__ = ["parse_markdown_v2"]

RESERVED = frozenset("_*[]()~`>#+-=|{}.!\n")
MARKS = (
    # The longer come first.
    ("```", "pre"),
    ("||", "spoiler"),
    ("__", "underline"),
    ("![", "custom_emoji"),
    ("*", "bold"),
    ("_", "italic"),
    ("~", "strikethrough"),
    ("`", "code"),
    ("[", "text_link"),
)
ENDS = {kind: {"![": "]", "[": "]"}.get(mark, mark) for mark, kind in MARKS}
SHOWN = {
    "pre": "Pre",
    "spoiler": "Spoiler",
    "underline": "Underline",
    "custom_emoji": "CustomEmoji",
    "bold": "Bold",
    "italic": "Italic",
    "strikethrough": "Strikethrough",
    "code": "Code",
    "text_link": "TextUrl",
    "blockquote": "BlockQuote",
}
LANGUAGE = re.compile(r"([^\s`]+)(?=\s)")
NEWLINE = re.compile(r"\r\n|\n\r|\n|\r")


@dataclass(frozen=True, slots=True)
class Opened:
    kind: str
    at: int
    """In characters of the source."""
    start: int
    """In code units of the result."""
    before: int
    """In characters of the result."""
    language: str = ""


def parse_markdown_v2(text: str) -> Rich:
    """The text without its marks. Raises `Refusal` where Telegram would."""
    return Parser(text).parse()


class Parser:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.draft = text, 0, Draft()
        self.opened: list[Opened] = []
        self.quoting = False
        self.line_start = True

    def parse(self) -> Rich:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\" and self.text[self.at + 1 : self.at + 2].isascii() and self.at + 1 < len(self.text):
                self.take(self.text[self.at + 1], 2)
            elif char not in self.reserved:
                self.take(char, 1)
            elif char == "\n":
                self.newline()
            elif self.opened and self.ends():
                self.close()
            else:
                self.open()
        if self.quoting:
            self.end_quote(len(self.text))
        if self.opened:
            raise self.unended(self.opened[-1])
        return self.draft.done()

    @property
    def reserved(self) -> frozenset[str]:
        literal = bool(self.opened) and self.opened[-1].kind in ("pre", "code")
        return frozenset("`") if literal else RESERVED

    def take(self, char: str, width: int) -> None:
        self.draft.put(char)
        self.at += width
        self.line_start = self.line_start and char == "\r"

    def newline(self) -> None:
        self.draft.put("\n")
        if self.quoting and not self.text.startswith(">", self.at + 1):
            self.end_quote(self.at)
        self.at += 1
        self.line_start = True

    def end_quote(self, at: int) -> None:
        """A quotation ends with its last line; a spoiler mark right at its end makes it expandable."""
        last, kind = self.opened[-1], "blockquote"
        if last.kind == "spoiler" and self.text[last.at : at].rstrip("\r") == "||":
            self.opened.pop()
            last, kind = self.opened[-1], "expandable_blockquote"
        if last.kind != "blockquote":
            raise self.unended(last)
        self.opened.pop()
        self.draft.mark(kind, last.start)
        self.quoting = False

    def ends(self) -> bool:
        """Whether what was opened last ends here. Two underscores end an underline, not two italics."""
        kind = self.opened[-1].kind
        if kind == "italic" and self.text.startswith("__", self.at):
            return False
        return kind in ENDS and self.text.startswith(ENDS[kind], self.at)

    def open(self) -> None:
        if self.text[self.at] == ">":
            return self.quote()
        found = next((pair for pair in MARKS if self.text.startswith(pair[0], self.at)), None)
        if found is None:
            raise self.reserved_character()
        mark, kind = found
        begin, language = self.at, ""
        self.at += len(mark)
        if kind == "pre":
            language = self.language()
        self.opened.append(Opened(kind, begin, self.draft.units, len(self.draft.text), language))
        self.line_start = False

    def quote(self) -> None:
        if not self.line_start:
            raise self.reserved_character()
        if not self.quoting:
            self.opened.append(Opened("blockquote", self.at, self.draft.units, len(self.draft.text)))
            self.quoting = True
        self.at += 1

    def language(self) -> str:
        found = LANGUAGE.match(self.text, self.at)
        if found:
            self.at = found.end()
        if newline := NEWLINE.match(self.text, self.at):
            self.at = newline.end()
        return found.group(1) if found else ""

    def close(self) -> None:
        last = self.opened.pop()
        self.at += len(ENDS[last.kind])
        if last.kind == "text_link":
            url = self.address() if self.text.startswith("(", self.at) else self.draft.text[last.before :]
            marked_link(self.draft, last.start, url)
        elif last.kind == "custom_emoji":
            self.emoji(last)
        else:
            self.draft.mark(last.kind, last.start, language=last.language)

    def emoji(self, last: Opened) -> None:
        if not self.text.startswith("(", self.at):
            raise unparsed("The entity must contain a tg://emoji or tg://time URL")
        emoji = linked_emoji(self.address())
        if not emoji:
            raise unparsed("Invalid tg://emoji or tg://time URL specified")
        self.draft.mark("custom_emoji", last.start, custom_emoji_id=emoji)

    def address(self) -> str:
        """What stands in the brackets here; a backslash takes the next character as it is."""
        at, url = self.at + 1, ""
        begin = at
        while at < len(self.text) and self.text[at] != ")":
            if self.text[at] == "\\" and at + 1 < len(self.text) and self.text[at + 1].isascii():
                at += 1
            url += self.text[at]
            at += 1
        if at >= len(self.text):
            raise unparsed(f"Can't find end of a URL at byte offset {byte_at(self.text, begin)}")
        self.at = at + 1
        return url

    def reserved_character(self) -> Refusal:
        char = self.text[self.at]
        return unparsed(f"Character '{char}' is reserved and must be escaped with the preceding '\\'")

    def unended(self, opened: Opened) -> Refusal:
        shown = "PreCode" if opened.language else SHOWN[opened.kind]
        return unparsed(f"Can't find end of {shown} entity at byte offset {byte_at(self.text, opened.at)}")


def unparsed(what: str) -> Refusal:
    return bad_request(f"can't parse entities: {what}")
