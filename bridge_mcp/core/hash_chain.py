"""The hash chain over a conversation's log: every entry's hash covers all entries before it.

A link is a hash of the link before it, the entry's seq and time, and a digest of its stored text with a random salt.
So the text can be forgotten, and the chain stands by the digest, which tells nothing of it. What is left of forgotten
entries is covered by a digest in the entry that says they are. Entries of before the salt
have a link over the text itself. Changing, removing or inserting
an entry breaks every link from there on. Somebody who can write to the store can also compute all links anew: that
shows only by comparison with a newest link that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

__all__ = ["FIRST", "SALT_BYTES", "Left", "content_digest", "digest_left", "link"]

FIRST = b""
"""The link before the first entry."""


SALT_BYTES = 16


def content_digest(salt: bytes, body: str) -> bytes:
    """The SHA-256 digest of an entry's text, 32 bytes, by which its link knows it."""
    return hashlib.sha256(salt + body.encode("utf-8", "surrogatepass")).digest()


class Left:
    """A digest of what is left of forgotten entries, taken in the order of the log."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, seq: int, body: str) -> None:
        """The next one, with its stored text."""
        text = body.encode("utf-8", "surrogatepass")
        self._hash.update(f"{seq}\0{len(text)}\0".encode() + text)

    def hex(self) -> str:
        """The digest of those so far: 64 hex digits."""
        return self._hash.copy().hexdigest()


def digest_left(entries: Iterable[tuple[int, str]]) -> str:
    """The digest of what is left of forgotten entries: each one's seq and stored text, in the order of the log."""
    digest = Left()
    for seq, body in entries:
        digest.add(seq, body)
    return digest.hex()


def link(before: bytes, conversation: str, seq: int, at: float, content: bytes | str) -> bytes:
    """The SHA-256 link of an entry, 32 bytes. `content` is its `content_digest`; of before the salt, its text."""
    covered = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    head = f"{conversation}\0{seq}\0{at!r}\0".encode("utf-8", "surrogatepass")
    return hashlib.sha256(before + head + covered).digest()
