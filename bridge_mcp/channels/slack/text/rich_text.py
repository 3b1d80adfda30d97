"""Renders Markdown, as models write it, as pieces of a rich text block, in which nothing is parsed by Slack any more.

https://docs.slack.dev/reference/block-kit/blocks/rich-text-block: a text element is shown as it is, so `<!channel>` or
`<@U…>` in it calls nobody. The parser is imported with the first text. Knows nothing of limits, messages or chats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["Json", "Renderer", "plain", "size"]

Json: TypeAlias = dict[str, Any]

STYLES: Mapping[str, str] = {"strong": "bold", "em": "italic", "s": "strike"}
INDENTS = 8
"""Slack's deepest list."""
RULE = "———"


class Renderer:
    """Renders Markdown, deterministically."""

    def __init__(self) -> None:
        self._parse: Callable[[str], Sequence[Token]] | None = None

    def render(self, markdown: str) -> list[Json]:
        """The text as sub-elements of a rich text block, in order; none for a text without anything to see."""
        if self._parse is None:
            self._parse = parser()
        writer = Writer()
        writer.blocks(self._parse(markdown.replace("\x00", "\ufffd")))
        return writer.pieces


def parser() -> Callable[[str], Sequence[Token]]:
    """The parser: CommonMark with tables and strikethrough, and no HTML, which is text."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).parse


@dataclass(slots=True)
class Level:
    """One list around what is being written."""

    ordered: bool
    count: int
    """Items so far, those before its first number included."""
    items: list[Json] = field(default_factory=list[Json])


@dataclass(slots=True)
class Writer:
    """Writes the sub-elements of one text."""

    pieces: list[Json] = field(default_factory=list[Json])
    levels: list[Level] = field(default_factory=list[Level])
    quote: list[Json] | None = None
    """What a quotation holds so far; None outside of one."""

    def blocks(self, tokens: Sequence[Token]) -> None:
        """Write all of these; what is nested is written where it stands."""
        at = 0
        while at < len(tokens):
            token = tokens[at]
            match token.type:
                case "heading_open":
                    self.section(inline(tokens[at + 1].children or (), {"bold": True}))
                case "inline" if at == 0 or tokens[at - 1].type != "heading_open":
                    self.section(inline(token.children or (), {}))
                case "fence" | "code_block":
                    self.code(token.content.removesuffix("\n"))
                case "html_block":
                    self.section([text(token.content.rstrip("\n"))])
                case "hr":
                    self.section([text(RULE)])
                case "table_open":
                    end = closing(tokens, at)
                    self.code(table(tokens[at:end]))
                    at = end
                case "bullet_list_open" | "ordered_list_open":
                    self.flush()
                    first = int(token.attrs.get("start", 1) or 0)
                    self.levels.append(Level(token.type.startswith("ordered"), first - 1))
                case "bullet_list_close" | "ordered_list_close":
                    self.flush()
                    self.levels.pop()
                case "list_item_open" if self.levels:
                    self.levels[-1].items.append({"type": "rich_text_section", "elements": []})
                case "blockquote_open":
                    end = closing(tokens, at)
                    self.quoted(tokens[at + 1 : end])
                    at = end
                case _:
                    pass
            at += 1

    def section(self, elements: list[Json]) -> None:
        """A paragraph: of a quotation, of a list's item, or of the text."""
        if not any(shown(each) for each in elements):
            return
        if self.quote is not None:
            self.quote += [text("\n"), *elements] if self.quote else elements
        elif self.levels and self.levels[-1].items:
            item_elements = self.levels[-1].items[-1]["elements"]
            item_elements += [text("\n"), *elements] if item_elements else elements
        elif self.levels:  # behind a block within an item
            self.put({"type": "rich_text_section", "elements": elements})
        elif self.pieces and self.pieces[-1]["type"] == "rich_text_section":
            self.pieces[-1]["elements"] += [text("\n\n"), *elements]
        else:
            self.put({"type": "rich_text_section", "elements": elements})

    def code(self, content: str) -> None:
        """A code block; in a quotation its text alone, for nothing else fits there."""
        if not content:
            return
        if self.quote is not None:
            self.section([text(content, {"code": True})])
            return
        self.flush()
        self.put({"type": "rich_text_preformatted", "elements": [text(content)]})

    def quoted(self, tokens: Sequence[Token]) -> None:
        """A quotation: its paragraphs, and those of whatever it holds."""
        inner = Writer(quote=[])
        inner.blocks(tokens)
        if self.quote is not None:
            self.section(inner.quote or [])
        elif inner.quote:
            self.flush()
            self.put({"type": "rich_text_quote", "elements": inner.quote})

    def flush(self) -> None:
        """Write the items of the innermost list so far."""
        if not self.levels or not self.levels[-1].items:
            return
        level = self.levels[-1]
        list_piece: Json = {
            "type": "rich_text_list",
            "style": "ordered" if level.ordered else "bullet",
            "indent": min(len(self.levels) - 1, INDENTS),
            "elements": [each for each in level.items if each["elements"]],
        }
        if level.ordered and level.count > 0:
            list_piece["offset"] = level.count
        level.count += len(level.items)
        level.items = []
        if list_piece["elements"]:
            self.put(list_piece)

    def put(self, piece: Json) -> None:
        self.pieces.append(piece)


def inline(tokens: Sequence[Token], style: Mapping[str, bool]) -> list[Json]:
    """The elements of one paragraph."""
    elements: list[Json] = []
    styles, links = [dict(style)], list[str]()
    for token in tokens:
        kind, _, edge = token.type.rpartition("_")
        if edge == "open" and kind in STYLES:
            styles.append(styles[-1] | {STYLES[kind]: True})
        elif edge == "close" and kind in STYLES:
            styles.pop()
        elif token.type == "link_open":
            links.append(str(token.attrs.get("href", "")))
        elif token.type == "link_close":
            url = links.pop()
            if url and not linkable(url):
                elements.append(text(f" ({url})", styles[-1]))
        elif token.type == "image":
            elements.append(linked(f"🖼 {token.content}", str(token.attrs.get("src", "")), styles[-1]))
        elif token.type in ("softbreak", "hardbreak"):
            elements.append(text("\n", styles[-1]))
        elif token.content:
            token_style = styles[-1] | ({"code": True} if token.type == "code_inline" else {})
            elements.append(linked(token.content, links[-1] if links else "", token_style))
    return joined(elements)


def linked(words: str, url: str, style: Mapping[str, bool]) -> Json:
    """Words that lead somewhere, where Slack takes the address; else the words."""
    if not url or not linkable(url):
        return text(words, style)
    element: Json = {"type": "link", "url": url, "text": words}
    return element | ({"style": dict(style)} if style else {})


def linkable(url: str) -> bool:
    """Whether an address leads to the web or to a mailbox."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (parts.scheme in ("http", "https") and bool(parts.netloc)) or (parts.scheme == "mailto" and bool(parts.path))


def text(words: str, style: Mapping[str, bool] | None = None) -> Json:
    """A text element."""
    element: Json = {"type": "text", "text": words}
    return element | ({"style": dict(style)} if style else {})


def joined(elements: Sequence[Json]) -> list[Json]:
    """Neighbours of one style as one element."""
    merged: list[Json] = []
    for each in elements:
        last = merged[-1] if merged else None
        if last and last["type"] == each["type"] == "text" and last.get("style") == each.get("style"):
            merged[-1] = last | {"text": last["text"] + each["text"]}
        else:
            merged.append(each)
    return merged


def closing(tokens: Sequence[Token], at: int) -> int:
    """Where what opens at `at` closes."""
    depth = 0
    for index in range(at, len(tokens)):
        depth += tokens[index].nesting
        if not depth:
            return index
    return len(tokens) - 1


def table(tokens: Sequence[Token]) -> str:
    """A table in columns of one width each, for a code block."""
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            rows[-1].append(plain_of(inline(token.children or (), {})))
    widths = [max((len(row[at]) for row in rows if at < len(row)), default=0) for at in range(max(map(len, rows)))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]
    return "\n".join([lines[0], "-+-".join("-" * width for width in widths), *lines[1:]])


def leaves(piece: Json) -> Iterator[Json]:
    """The elements that hold text, in order; those of a list with what stands before each item."""
    if piece["type"] != "rich_text_list":
        yield from piece["elements"]
        return
    first = int(piece.get("offset", 0)) + 1
    for number, item in enumerate(piece["elements"], first):
        mark = f"{number}. " if piece["style"] == "ordered" else "• "
        yield text(("\n" if number > first else "") + "  " * int(piece.get("indent", 0)) + mark)
        yield from item["elements"]


def shown(element: Json) -> str:
    """The words of one element."""
    return str(element.get("text", ""))


def plain_of(elements: Sequence[Json]) -> str:
    return "".join(map(shown, elements))


def plain(pieces: Sequence[Json]) -> str:
    """All words of a rich text, for notifications and readers of screens."""
    return "\n".join(plain_of(list(leaves(piece))) for piece in pieces)


def size(piece: Json) -> int:
    """Characters of a piece, as they are shown."""
    return sum(len(shown(each)) for each in leaves(piece)) + 1
