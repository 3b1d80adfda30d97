"""The full-text index of messages (FTS5): brought up to date in steps, and before each search.

Indexing a message in a transaction of its own costs 100 us, together with others a fraction. So every `STEP` messages
are indexed at once, and a search begins by indexing the few that are missing.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from bridge_mcp.core.words import Query, terms
from bridge_mcp.stores.sql.session import Chat, Row, Session

__all__ = ["STEP", "WORDS", "SqliteWords", "indexed"]

STEP = 64
MAX_BATCH = 2000
"""Messages that one transaction indexes at most."""


class SqliteWords:
    """See `stores.sql.session.Words`. What is indexed is read from the entries."""

    def insert_message(self, session: Session, chat: Chat, text: str, **values: object) -> None:
        """At every `STEP`th message the latest ones are indexed."""
        if session.insert("insert_message", **values) % STEP == 0:
            self.take_in(session)

    @contextmanager
    def changing(self, session: Session, chat: Chat, seq: int, text: str) -> Generator[None]:
        """The index gives up the old text before, and takes the new one after."""
        session.put("fts_delete_message", id=chat.id, seq=seq)
        yield
        session.put("fts_insert_message", id=chat.id, seq=seq)

    @contextmanager
    def emptying(self, session: Session, chat: Chat, seqs: list[int]) -> Generator[None]:
        """As `changing`, for several."""
        for seq in seqs:
            session.put("fts_delete_message", id=chat.id, seq=seq)
        yield
        for seq in seqs:
            session.put("fts_insert_message", id=chat.id, seq=seq)

    def replayed(self, session: Session, chat: Chat, seq: int, text: str) -> None:
        """The index takes it in at the end, or within `emptying`."""

    def begin_anew(self, session: Session) -> None:
        """Empty it."""
        for statement in ("fts_clear", "fts_forget_progress", "fts_begin_anew"):
            session.put(statement)

    def catch_up(self, session: Session) -> None:
        """In as many transactions as it takes."""
        while self.is_behind(session):
            session.begin()
            self.take_in(session)
            session.commit()

    def is_behind(self, session: Session) -> bool:
        """Whether there are messages that the index does not hold yet."""
        upto, newest = session.row("fts_progress") or (0, 0)
        return bool(upto < newest)

    def take_in(self, session: Session) -> None:
        """Index the next messages, at most `MAX_BATCH`."""
        upto, newest = session.row("fts_progress") or (0, 0)
        newest = min(newest, upto + MAX_BATCH)
        if upto < newest:
            session.put("fts_insert_messages", after=upto, upto=newest)
            session.put("fts_set_progress", upto=newest)

    def search(self, session: Session, query: Query, places: list[str] | None, before: int, limit: int) -> list[Row]:
        """See `match`."""
        return session.rows("search_messages", match=match(query, places), before=before, limit=limit)


WORDS = SqliteWords()


def indexed(text: str) -> str:
    """The text as the index takes it: its terms, each once.

    It may not change without a migration that empties the index: what goes out of it must be what went in.
    """
    return " ".join(terms(text))


def match(query: Query, places: list[str] | None) -> str:
    """An FTS5 expression that finds all terms in these places. Terms are quoted: nothing in them is syntax."""
    all_terms = " AND ".join(f'"{term.text}"' + ("*" if term.prefix else "") for term in query.terms)
    expression = f"text : ({all_terms})"
    return expression if places is None else f"{expression} AND place : ({' OR '.join(places)})"
