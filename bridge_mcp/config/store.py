"""[store]: where the store is, a file of SQLite's or a database of Postgres', and what may not stand in the file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from bridge_mcp.config import schema
from bridge_mcp.config.problems import Problems
from bridge_mcp.config.secrets import Secrets
from bridge_mcp.core.database_url import ENCODED, POSTGRES, Parts, far_hosts, mode_of, taken_apart, unprotected
from bridge_mcp.core.secret_fields import HidesFields

__all__ = ["StoreAddress", "store_address"]

SHAPE = 'Write "sqlite:///PATH" or "postgresql://USER@HOST/DATABASE".'


class StoreAddress(HidesFields, frozen=True):
    """Where the store is."""

    HIDDEN: ClassVar = frozenset({"url", "direct_url"})

    url: str
    """`sqlite:///` and an absolute path, or Postgres' own, with whatever password there is."""
    direct_url: str = ""
    """Where `url` leads to a pooler: the way around it, for notices and advisory locks. "" for the same."""
    shown: str = ""
    """The same for people and logs."""
    lacking: str = ""
    """Why nobody knows where it is: the variable or the file of its URL is not there; with the fix."""
    reads_at_once: int = 4
    """How many reads of Postgres a process makes at once."""
    open_to: tuple[str, ...] = ()
    """Hosts beyond this machine to which the way is not encrypted, because the owner says so."""

    @property
    def is_postgres(self) -> bool:
        """Whether it is a database that several machines may share."""
        return self.url.startswith(POSTGRES)

    @property
    def where(self) -> str:
        """The file, or the database, for people."""
        return self.shown.removeprefix("sqlite:///")

    @property
    def direct(self) -> str:
        """The URL for notices, advisory locks and migrations."""
        return self.direct_url or self.url

    @property
    def name(self) -> str:
        """A short name for files that belong to this store, on a machine where there may be several."""
        return hashlib.sha256(self.shown.encode()).hexdigest()[:12]


def store_address(
    store: schema.Store,
    problems: Problems,
    secrets: Secrets,
    default: Path,
    *,
    within: Callable[[str], Path],
    env: Mapping[str, str],
) -> StoreAddress:
    """Where the store is; `default` is the file without any key, and `within` reads a relative path."""
    key, url = given(store, problems, secrets, "url")
    if not url and key != "store.url":  # a name that leads to nothing must not lead to another store
        return StoreAddress("", shown=f"what {key} names", lacking=secrets.lacking.get(key, "Its name is given twice."))
    url = url or f"sqlite:///{default}"
    if url.startswith("sqlite:///"):
        path = within(url.removeprefix("sqlite:///"))
        return StoreAddress(f"sqlite:///{path}", shown=f"sqlite:///{path}")
    if not url.startswith(POSTGRES):
        problems.add(key, "this is no URL of a store.", SHAPE)
        return StoreAddress("", shown=f"what {key} says", lacking="It is no URL of a store.")
    parts = checked(url, key, problems)
    secrets.remember(f"{key} (password)", parts.password)
    direct_key, direct = given(store, problems, secrets, "direct_url")
    open_to = unencrypted(parts, key, problems, env)
    if direct:
        if not direct.startswith(POSTGRES):
            problems.add(direct_key, "this is no URL of Postgres'.", 'Write "postgresql://USER@HOST/DATABASE".')
        else:
            around = checked(direct, direct_key, problems)
            secrets.remember(f"{direct_key} (password)", around.password)
            unencrypted(around, direct_key, problems, env)
    return StoreAddress(url, direct, shown=parts.shown, reads_at_once=store.reads_at_once, open_to=open_to)


def given(store: schema.Store, problems: Problems, secrets: Secrets, name: str) -> tuple[str, str]:
    """The key that gives a URL, and the URL: in the file, or by the name of a variable or a file."""
    plain = getattr(store, name)
    variable, file = getattr(store, f"{name}_env"), getattr(store, f"{name}_file")
    if plain and (variable or file):
        problems.add(f"store.{name}", f"{name}_{'env' if variable else 'file'} is there too.", "Keep one of the two.")
    if plain or not (variable or file):
        return f"store.{name}", plain or ""
    return f"store.{name}_{'env' if variable else 'file'}", secrets.read(f"store.{name}", variable, file)


def checked(url: str, key: str, problems: Problems) -> Parts:
    """The parts of a URL. A password in the file is refused: files are copied, shown and committed."""
    try:
        parts = taken_apart(url)
    except ValueError:
        problems.add(key, "this URL cannot be read.", ENCODED)
        return Parts("", "", (), database="", options={})
    if parts.password and not key.endswith(("_env", "_file")):
        problems.add(
            key,
            "a password stands in the file.",
            f"Give the URL by {key.removeprefix('store.')}_env or {key.removeprefix('store.')}_file instead, or leave "
            "the password to ~/.pgpass or PGPASSWORD.",
        )
    return parts


def unencrypted(parts: Parts, key: str, problems: Problems, env: Mapping[str, str]) -> tuple[str, ...]:
    """The hosts beyond this machine that are reached without TLS; refused unless the owner says that it is so."""
    for host in unprotected(parts, env)[:1]:
        problems.add(
            key,
            f"{host} is another machine, and without `sslmode` whoever is on the way may read all that is written.",
            "Append ?sslmode=verify-full (with &sslrootcert=PATH for a certificate of your own), ?sslmode=require, or "
            "?sslmode=disable where the network between is yours alone.",
        )
    return far_hosts(parts, env) if mode_of(parts, env) == "disable" else ()
