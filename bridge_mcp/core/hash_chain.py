"""The hash chain over a conversation's log: every entry's hash covers all entries before it.

A link is a hash of the link before it, the entry's seq and time, and its stored text. Changing, removing or inserting
an entry breaks every link from there on. Somebody who can write to the store can also compute all links anew: that
shows only by comparison with a newest link that was kept elsewhere.
"""

from __future__ import annotations

import hashlib

__all__ = ["FIRST", "link"]

FIRST = b""
"""The link before the first entry."""


def link(before: bytes, conversation: str, seq: int, at: float, body: str) -> bytes:
    """The SHA-256 link of an entry, 32 bytes."""
    head = f"{conversation}\0{seq}\0{at!r}\0".encode("utf-8", "surrogatepass")
    return hashlib.sha256(before + head + body.encode("utf-8", "surrogatepass")).digest()
