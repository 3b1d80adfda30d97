"""The chain over a conversation's log: every entry is sealed together with all that stand before it.

A link is made of the link before it, the entry's place and time, and its text as it is stored. Whoever changes, removes
or inserts an entry breaks every link from there on. Whoever can write to the store can also make all links anew: that
is noticed by whoever has kept the newest link somewhere else.
"""

from __future__ import annotations

import hashlib

__all__ = ["FIRST", "link"]

FIRST = b""
"""What stands before the first entry."""


def link(before: bytes, conversation: str, seq: int, at: float, body: str) -> bytes:
    """The 32 bytes that seal an entry behind those before it."""
    head = f"{conversation}\0{seq}\0{at!r}\0".encode("utf-8", "surrogatepass")
    return hashlib.sha256(before + head + body.encode("utf-8", "surrogatepass")).digest()
