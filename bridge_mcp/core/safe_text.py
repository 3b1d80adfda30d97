"""Escapes untrusted texts for display, so that nothing in them can hide or disguise the text around them.

Names, arguments and reasons come from models, tools, chats and agents. Wherever people decide by what they see, prompts
in chats included, an invisible character, or one that changes how others look, is shown as `<U+202E>`. Look-alikes (a
Cyrillic а) cannot be detected: a verdict is bound to the digest, not to the looks.

Knows no terminal and no platform.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import read_json

__all__ = ["escape_markdown", "escaped", "hidden", "name_within", "pretty", "segments", "visible"]

JOINERS = "\u200c\u200d"
"""Invisible, but words of some scripts and many emoji need them between their characters."""

BLANKS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Letters and marks by their category, but invisible."""

HIDING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories: controls, formats (bidi and zero-width), halves of pairs, private and unassigned ones, separators."""

MARKUP = frozenset("\\`*_{}[]()<>#+-.!|~")
"""Characters with a meaning in Markdown."""

MAX_MARKS = 4
"""Combining marks in a row; more of them are drawn over the lines around."""

PRETTY_DEPTH = 12
"""Levels of JSON that are written with indents."""


def visible(text: str, *, lines: bool = False) -> str:
    """The text with every character that hides or turns others shown as `<U+202E>`; with `lines`, newlines stay.

    Without `lines` a newline is `⏎`, so that a text cannot grow a line of its own; a tab is a space. Nothing is cut.
    """
    if not suspects(text):
        return text
    return "".join([visible_char(text, place, lines) for place in range(len(text))])


def segments(text: str, *, lines: bool = False) -> Iterator[tuple[str, bool]]:
    """The text as `visible` shows it, in parts; True with those that stand for a character that hides."""
    suspected = suspects(text) - ({"\n"} if lines else set[str]())
    if not suspected:
        yield text, False
        return
    begun = 0
    for match in re.finditer(f"[{re.escape(''.join(sorted(suspected)))}]", text):
        place = match.start()
        shown_char = visible_char(text, place, lines)
        if shown_char == text[place]:
            continue
        if begun < place:
            yield text[begun:place], False
        yield shown_char, shown_char != " "
        begun = place + 1
    if begun < len(text):
        yield text[begun:], False


def escape_markdown(text: str, *, lines: bool = False) -> str:
    """An untrusted text inside our own Markdown: visible, on one line unless `lines`, and without markup."""
    return "".join([f"\\{char}" if char in MARKUP else char for char in visible(text, lines=lines)])


def name_within(name: str) -> str:
    """A name in the place of a mention in somebody else's text, which may be JSON: it ends no string in it, nor a line.

    People choose their names themselves, and whoever mentions them wrote an id.
    """
    return visible(name).replace('"', "'").replace("\\", "/")


def hidden(text: str) -> frozenset[str]:
    """The characters of a text that `visible` would not show as they are, newlines and tabs included."""
    suspected = suspects(text)
    if not suspected:
        return frozenset()
    return frozenset(char for place, char in enumerate(text) if char in suspected and hides(text, place))


def escaped(text: str) -> str:
    """JSON text with the characters that hide written as JSON escapes, which changes no value; newlines stay."""
    if not suspects(text):
        return text
    return "".join(
        [
            json.dumps(char)[1:-1] if char != "\n" and hides(text, place) else char
            for place, char in enumerate(text)
        ]
    )  # fmt: skip


def pretty(arguments: str) -> str:
    """A call's arguments on several lines where they are JSON, as they are where not; whole in any case.

    What is deep stays as it is too: there the indents would be most of it.
    """
    try:
        return json.dumps(read_json(arguments, max_depth=PRETTY_DEPTH), indent=2, ensure_ascii=False)
    except BadJSON:
        return arguments


def suspects(text: str) -> frozenset[str]:
    """Those characters of a text that hide at some places, newlines and tabs included; most texts have none."""
    if text.isascii() and text.isprintable():
        return frozenset()
    return frozenset(char for char in frozenset(text) if may_hide(char))


def may_hide(char: str) -> bool:
    """Whether `hides` may hold for this character somewhere."""
    if " " <= char <= "~":
        return False
    return (
        char in JOINERS
        or "\ufe00" <= char <= "\ufe0f"
        or char in BLANKS
        or "\U000e0100" <= char <= "\U000e01ef"
        or unicodedata.category(char) in HIDING
        or unicodedata.combining(char) > 0
    )


def visible_char(text: str, place: int, lines: bool) -> str:
    char = text[place]
    if char == "\n":
        return "\n" if lines else "⏎"
    if char == "\t":
        return " "
    return f"<U+{ord(char):04X}>" if hides(text, place) else char


def hides(text: str, place: int) -> bool:
    """Whether the character at this place cannot be seen there, or changes how others are seen."""
    char = text[place]
    if " " <= char <= "~":
        return False
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if char in JOINERS:
        return not (joins(before) and joins(after))
    if "\ufe00" <= char <= "\ufe0f":
        # A variation selector of the symbol before it; elsewhere, or in a row, it can only smuggle data.
        return not (before in tuple("#*0123456789") or (joins(before) and unicodedata.category(before) != "Mn"))
    if char in BLANKS or "\U000e0100" <= char <= "\U000e01ef" or unicodedata.category(char) in HIDING:
        return True
    return unicodedata.combining(char) > 0 and is_piled(text, place)


def joins(char: str) -> bool:
    """Whether a joiner may be beside this character: a visible one beyond ASCII."""
    return bool(char) and not char.isascii() and unicodedata.category(char) not in HIDING and char not in BLANKS


def is_piled(text: str, place: int) -> bool:
    """Whether a combining mark stands on a pile of others."""
    pile = text[max(0, place - MAX_MARKS) : place]
    return len(pile) == MAX_MARKS and all(unicodedata.combining(mark) for mark in pile)
