"""The full-text index of messages on Postgres: a `tsvector` of terms for each message, written as the message is."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from bridge_mcp.core.words import Query, terms
from bridge_mcp.stores.sql.places import channel_term, conversation_term
from bridge_mcp.stores.sql.session import Chat, Row, Session

__all__ = ["WORDS", "PostgresWords"]

PLACE = "/"
"""Begins the term of a place: no word has this character."""


class PostgresWords:
    """See `stores.sql.session.Words`. Nothing is ever behind."""

    def insert_message(self, session: Session, chat: Chat, text: str, **values: object) -> None:
        """The message's row, and its words."""
        session.put("insert_message", **values)
        if text:
            self._put(session, chat, values["seq"], text)

    @contextmanager
    def changing(self, session: Session, chat: Chat, seq: int, text: str) -> Generator[None]:
        """The words are replaced."""
        yield
        self._put(session, chat, seq, text)

    @contextmanager
    def emptying(self, session: Session, chat: Chat, seqs: list[int]) -> Generator[None]:
        """All of the conversation go, and come back as its messages are replayed."""
        session.put("delete_words_of", id=chat.id)
        yield

    def replayed(self, session: Session, chat: Chat, seq: int, text: str) -> None:
        """The words as they are at this point of the log."""
        self._put(session, chat, seq, text)

    def begin_anew(self, session: Session) -> None:
        """Forget all."""
        session.put("delete_all_words")

    def catch_up(self, session: Session) -> None:
        """There is nothing to do but to have new numbers begin beyond those that were given again."""
        session.rows("settle_numbers")

    def is_behind(self, session: Session) -> bool:
        """Never."""
        return False

    def take_in(self, session: Session) -> None:
        """There is nothing to take in."""

    def search(self, session: Session, query: Query, places: list[str] | None, before: int, limit: int) -> list[Row]:
        """By the index of terms."""
        expression = " & ".join(quoted(term.text) + (":*" if term.prefix else "") for term in query.terms)
        if places is not None:
            expression += f" & ({' | '.join(quoted(PLACE + place) for place in places)})"
        return session.rows("search_messages", terms=expression, before=before, limit=limit)

    def _put(self, session: Session, chat: Chat, seq: object, text: str) -> None:
        if not text:
            session.put("delete_words", id=chat.id, seq=seq)
            return
        found = [*terms(text), PLACE + conversation_term(chat.id), PLACE + channel_term(chat.channel)]
        session.put("put_words", id=chat.id, seq=seq, terms=" ".join(found))


def quoted(term: str) -> str:
    """A term as an operand of a `tsquery`; it has no character that would end it."""
    return f"'{term}'"


WORDS = PostgresWords()
