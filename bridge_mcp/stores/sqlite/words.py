"""The index of words. It is brought up to date in steps, and before each search.

Indexing a message in a transaction of its own costs 100 us, together with others a fraction: so every `STEP` messages
their words go in at once, and a search begins by adding the few that are missing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from bridge_mcp.stores.sqlite.session import Session, spaced

__all__ = ["behind", "catch_up", "channel_word", "conversation_word", "index_now_and_then", "match", "reworded"]

STEP = 64
MAX_BATCH = 2000
"""Messages that one transaction indexes at most."""


def index_now_and_then(session: Session, message: int) -> None:
    """Take in the last messages, if `message`, the id of the newest one, says that it is time."""
    if message % STEP == 0:
        catch_up(session)


def behind(session: Session) -> bool:
    """Whether there are messages whose words are not in the index yet."""
    upto, newest = session.row("unindexed") or (0, 0)
    return bool(upto < newest)


def catch_up(session: Session) -> None:
    """Take in the words of the next messages, at most `MAX_BATCH`."""
    upto, newest = session.row("unindexed") or (0, 0)
    newest = min(newest, upto + MAX_BATCH)
    if upto < newest:
        session.run("index_words", after=upto, upto=newest)
        session.run("indexed", upto=newest)


@contextmanager
def reworded(session: Session, conversation: int, seq: int) -> Generator[None]:
    """Within it a message gets another text: what the index has of it follows, in the same transaction."""
    session.run("forget_words", id=conversation, seq=seq)
    yield
    session.run("learn_words", id=conversation, seq=seq)


def conversation_word(conversation: int) -> str:
    return f"c{conversation}"


def channel_word(channel: str) -> str:
    """One word for the index, whatever characters the channel's name has."""
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
