"""What of an answer is spoken: its words, without the signs of Markdown."""

from __future__ import annotations

import re

__all__ = ["speakable"]

BLOCK = re.compile(r"^(`{3,}|~{3,}).*?^\1[`~]*[ \t]*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*\)")
LINE_SIGNS = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+)", re.MULTILINE)
SIGNS = re.compile(r"\*\*|__|~~|`|\\(?=[^\w\s])|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)")
TABLE_RULE = re.compile(r"^[ \t|:-]{3,}$", re.MULTILINE)


def speakable(markdown: str) -> str:
    """The words of a text. Blocks of code are left out; "" where nothing else is there."""
    text = BLOCK.sub("", markdown)
    text = TABLE_RULE.sub("", LINE_SIGNS.sub("", LINK.sub(r"\1", text)))
    text = SIGNS.sub("", text).replace("|", " ")
    return re.sub(r"\n{3,}", "\n\n", text).strip()
