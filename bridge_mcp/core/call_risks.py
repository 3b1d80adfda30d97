"""What people should look at twice in a call, before they decide on it: in what its tool may do, and in its arguments.

Hints for people, and nothing that decides: a call without any of them may be dangerous all the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.grants import climbs, texts_in
from bridge_mcp.core.safe_text import hidden
from bridge_mcp.core.tools import ToolSpec, parse_arguments

__all__ = ["Risk", "mixed_words", "risks_of"]

MAX_HOSTS = 3
LOOKED = 200_000
"""Characters of the arguments that are searched for words and addresses."""

WORD = re.compile(r"[^\W\d_]{2,}")
ADDRESS = re.compile(r"https?://[^\s\"'<>\\]{1,300}", re.IGNORECASE)
SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
"""Scripts with letters that look alike."""


class Risk(Struct, frozen=True):
    """One thing to look at. `high`: it may hide what the call does, or cannot be undone."""

    kind: Literal["changed", "destructive", "hidden", "climbs", "look-alike", "address", "long"]
    text: str
    high: bool = False


def risks_of(arguments: str, spec: ToolSpec | None) -> tuple[Risk, ...]:
    """What stands out in a call, the gravest first. `arguments` is JSON text, `spec` its tool, None where unknown."""
    return (*tool_risks(spec), *argument_risks(arguments))


def tool_risks(spec: ToolSpec | None) -> Iterator[Risk]:
    """What stands out in what a tool says of itself."""
    if spec is None:
        return
    if spec.changed:
        yield Risk("changed", "The tool is not what it was when it was trusted", high=True)
    if spec.destructive and not spec.read_only:
        yield Risk("destructive", "The tool may destroy things")


def argument_risks(arguments: str) -> Iterator[Risk]:
    """What stands out in arguments."""
    try:
        texts = list(texts_in(dict(parse_arguments(arguments))))
    except BadInput:
        texts = [arguments]
    unseen = sum(1 for text in texts if hidden(text) - {"\n", "\t"})
    if unseen:
        yield Risk("hidden", "It holds invisible characters, shown as <U+…>", high=True)
    if any(climbs(text) for text in texts if len(text) < LOOKED):
        yield Risk("climbs", "A path in it leaves its folder (..)", high=True)
    searched = "\n".join(texts)[:LOOKED]
    if words := mixed_words(searched):
        yield Risk("look-alike", f"Letters of several scripts in one word: {words[0][:40]}", high=True)
    hosts = list(dict.fromkeys(host for address in ADDRESS.findall(searched) if (host := host_of(address))))
    if hosts:
        more = f" and {len(hosts) - MAX_HOSTS} more" if len(hosts) > MAX_HOSTS else ""
        yield Risk("address", f"Addresses in it: {', '.join(hosts[:MAX_HOSTS])}{more}")
    if len(arguments) > 20_000:
        yield Risk("long", f"Its arguments have {len(arguments):,} characters")


def host_of(address: str) -> str:
    """The host of an address; "" where it has none."""
    try:
        return (urlsplit(address).hostname or "")[:80]
    except ValueError:
        return ""


def mixed_words(text: str) -> tuple[str, ...]:
    """Words with letters of several scripts that look alike, such as a Latin word with a Cyrillic а."""
    if text.isascii():
        return ()
    return tuple(word for word in dict.fromkeys(WORD.findall(text)) if not word.isascii() and len(scripts_of(word)) > 1)


def scripts_of(word: str) -> frozenset[str]:
    """The scripts of `SCRIPTS` that its letters are of."""
    names = {unicodedata.name(char, "").partition(" ")[0] for char in word}
    return frozenset(names & set(SCRIPTS))
