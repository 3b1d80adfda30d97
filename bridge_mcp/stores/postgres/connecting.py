"""Connections to the store's database: how they are made, what they are set to, and what no message may say of them."""

from __future__ import annotations

import os
import random
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import conninfo
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumperUnknown, TextLoader

from bridge_mcp.core.errors import BadInput, ConfigError, StoreError
from bridge_mcp.stores.postgres.errors import ConnectionLost, refusal, store_error

__all__ = ["CONNECT_S", "Database"]

CONNECT_S = 30.0
"""How long is tried to connect, for whoever waits: a restart of Postgres takes a second or two."""

RETRY_S = (0.05, 0.5)
"""The first and the longest pause between two attempts."""

DEFAULTS = {
    "application_name": "bridge-mcp",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""What a URL may say otherwise: a connection whose other end is gone is noticed within seconds (libpq's parameters)."""

SETTINGS = """
SET client_encoding = 'UTF8';
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 2;
SET tcp_keepalives_count = 3;
SET idle_in_transaction_session_timeout = '2s';
SET lock_timeout = '20s';
"""
"""What each connection is set to. A process that is stopped in the middle of a transaction, or whose machine is gone,
holds its locks for some seconds: then the server ends its connection, and with it the transaction."""

ESCAPED = re.compile("\ufdd0(.)", re.DOTALL)
ESCAPE = str.maketrans({"\ufdd0": "\ufdd0\ufdd0", "\0": "\ufdd0\ufdd1"})
"""Postgres keeps no NUL in a text. It stands as two code points that are no characters (unicode.org, noncharacters)."""


class Text(StrDumperUnknown):
    """A text on its way into the database."""

    def dump(self, obj: str) -> Any:
        """Escape NUL."""
        return super().dump(obj.translate(ESCAPE) if "\0" in obj or "\ufdd0" in obj else obj)


class Loaded(TextLoader):
    """A text on its way out."""

    def load(self, data: Any) -> str | bytes:
        """Restore NUL."""
        text = super().load(data)
        if isinstance(text, str) and "\ufdd0" in text:
            return ESCAPED.sub(lambda found: "\0" if found[1] == "\ufdd1" else "\ufdd0", text)
        return text


class Database:
    """Where the store is. Its `repr` and `place` show no password."""

    def __init__(self, url: str) -> None:
        """Take a URL, or a connection string of libpq's.

        Raises:
            ConfigError: it is neither.
        """
        given = parameters(url)
        if given is None:
            raise ConfigError(
                "The URL of the store cannot be read.", fix='Write "postgresql://USER@HOST/DATABASE" as [store] url.'
            )
        self._given = {**DEFAULTS, **given}
        self.password = str(given.get("password") or "")
        host, port = given.get("host") or given.get("hostaddr") or "", given.get("port") or ""
        at = f"{given.get('user') or ''}@{host}{f':{port}' if port else ''}"
        self.place = f"postgresql://{at.removeprefix('@')}/{given.get('dbname') or ''}"

    def __repr__(self) -> str:
        return f"Database({self.place!r})"

    def connect(
        self, *, wait_s: float = 0.0, read_only: bool = False, given_up: Callable[[], bool] = lambda: False
    ) -> psycopg.Connection[Any]:
        """A connection in which every statement commits by itself; tried for so long, at least once.

        It is tried no more once `given_up`.

        Raises:
            ConnectionLost: Postgres cannot be reached.
            StoreError: Postgres refuses.
        """
        until, pause = time.monotonic() + wait_s, RETRY_S[0]
        while True:
            try:
                return self._connected(read_only=read_only)
            except psycopg.Error as exc:
                error = store_error(self.place, exc, lost=True)
                if refusal(str(exc)) or time.monotonic() > until or given_up():
                    raise self._without_password(error) from None
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, RETRY_S[1])

    def _without_password(self, error: StoreError | BadInput) -> StoreError | BadInput:
        """The error, whatever the server may have said."""
        if self.password and self.password in str(error):
            return type(error)(str(error).replace(self.password, "…"), fix=error.fix)
        return error

    def _connected(self, *, read_only: bool) -> psycopg.Connection[Any]:
        connection = psycopg.Connection[Any].connect(
            **self._given,  # pyright: ignore[reportArgumentType] - libpq's own parameters
            autocommit=True,
            prepare_threshold=0,
        )
        connection.prepared_max = 500
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.adapters.register_dumper(str, Text)
        for kind in ("text", "varchar", "name"):
            connection.adapters.register_loader(kind, Loaded)
        try:
            connection.execute(SETTINGS, prepare=False)
            if read_only:
                connection.execute("SET default_transaction_read_only = on", prepare=False)
        except psycopg.Error:
            connection.close()
            raise
        return connection


def parameters(url: str) -> dict[str, Any] | None:
    """What a URL says; None where it cannot be read: what libpq says of it then would show a part of it."""
    try:
        return conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        return None


def is_lost(connection: psycopg.Connection[Any]) -> bool:
    """Whether a connection is of no more use."""
    return connection.closed or connection.broken


def cut(connection: psycopg.Connection[Any] | None) -> None:
    """Have whoever waits for the other end of a connection wait no longer: for that thread it is lost."""
    if connection is not None:
        with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)


__all__ += ["ConnectionLost", "cut", "is_lost"]
