"""The full-text index of messages (FTS5): brought up to date in steps, and before each search.

Indexing a message in a transaction of its own costs 100 us, together with others a fraction. So every `STEP` messages
are indexed at once, and a search begins by indexing the few that are missing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from bridge_mcp.stores.sqlite.session import Session, spaced

__all__ = ["channel_term", "conversation_term", "index_every_step", "index_pending", "is_behind", "match", "reindexed"]

STEP = 64
MAX_BATCH = 2000
"""Messages that one transaction indexes at most."""


def index_every_step(session: Session, message: int) -> None:
    """Index the latest messages at every `STEP`th one; `message` is the id of the newest."""
    if message % STEP == 0:
        index_pending(session)


def is_behind(session: Session) -> bool:
    """Whether there are messages that the index does not hold yet."""
    upto, newest = session.row("fts_progress") or (0, 0)
    return bool(upto < newest)


def index_pending(session: Session) -> None:
    """Index the next messages, at most `MAX_BATCH`."""
    upto, newest = session.row("fts_progress") or (0, 0)
    newest = min(newest, upto + MAX_BATCH)
    if upto < newest:
        session.run("fts_insert_messages", after=upto, upto=newest)
        session.run("fts_set_progress", upto=newest)


@contextmanager
def reindexed(session: Session, conversation: int, seq: int) -> Generator[None]:
    """Wraps a change of a message's text: the index gives up the old text before, and takes the new one after."""
    session.run("fts_delete_message", id=conversation, seq=seq)
    yield
    session.run("fts_insert_message", id=conversation, seq=seq)


def conversation_term(conversation: int) -> str:
    """The term that the index holds for each message of this conversation."""
    return f"c{conversation}"


def channel_term(channel: str) -> str:
    """The term of a channel: one word for the index, whatever characters the channel's name has."""
    return f"h{channel.encode().hex()}"


def match(query: str, places: Iterable[str] | None) -> str:
    """An FTS5 expression that finds every word of the query in these places, or "" for an empty query.

    Words are quoted: nothing in them is syntax. Of scripts without spaces a word is found wherever it stands: each
    character is a word of the index, and those of the query are looked for side by side. FTS5 reads a string up to its
    first NUL, so NUL separates words here.
    """
    asked = query.replace("\0", " ").split()
    if not asked:
        return ""
    # Without an AND between them, FTS5 passes over what holds no letter or digit.
    found = "text : (" + " ".join('"' + spaced(word).replace('"', '""') + '"' for word in dict.fromkeys(asked)) + ")"
    return found if places is None else f"{found} AND place : ({' OR '.join(places)})"
