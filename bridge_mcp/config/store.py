"""[store]: where the store is, a file of SQLite's or a database of Postgres', and what may not stand in the file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from bridge_mcp.config import schema
from bridge_mcp.config.problems import Problems
from bridge_mcp.config.secrets import Secrets
from bridge_mcp.core.secret_fields import HidesFields

__all__ = ["StoreAddress", "store_address"]

POSTGRES = ("postgresql://", "postgres://")
SAFE_MODES = frozenset({"require", "verify-ca", "verify-full"})
"""What `sslmode` has to be so that nobody on the way reads along (postgresql.org/docs/current/libpq-ssl.html)."""
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


class Parts(HidesFields, frozen=True):
    """A URL of Postgres', taken apart as libpq does."""

    HIDDEN: ClassVar = frozenset({"password"})

    user: str
    password: str
    hosts: tuple[str, ...]
    database: str
    options: Mapping[str, str]

    @property
    def shown(self) -> str:
        """Without the password."""
        user = f"{self.user}@" if self.user else ""
        return f"postgresql://{user}{','.join(self.hosts)}/{self.database}"


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
        problems.add(key, "this URL cannot be read.", 'Write "postgresql://USER@HOST/DATABASE".')
        return Parts("", "", (), database="", options={})
    if parts.password and not key.endswith(("_env", "_file")):
        problems.add(
            key,
            "a password stands in the file.",
            f"Give the URL by {key.removeprefix('store.')}_env or {key.removeprefix('store.')}_file instead, or leave "
            "the password to ~/.pgpass or PGPASSWORD.",
        )
    return parts


def taken_apart(url: str) -> Parts:
    """The parts of a URL of Postgres'. Raises ValueError where it is none."""
    split = urlsplit(url)
    options = dict(parse_qsl(split.query, keep_blank_values=True, max_num_fields=100))
    who, _, where = split.netloc.rpartition("@")
    user, _, password = who.partition(":")
    hosts = [unquote(each) for each in where.split(",") if each]
    if options.get("host") or options.get("hostaddr"):
        hosts = (options.get("host") or options["hostaddr"]).split(",")
    return Parts(
        unquote(user) or options.get("user", ""),
        unquote(password) or options.get("password", ""),
        tuple(hosts),
        database=unquote(split.path.removeprefix("/")) or options.get("dbname", ""),
        options=options,
    )


def unencrypted(parts: Parts, key: str, problems: Problems, env: Mapping[str, str]) -> tuple[str, ...]:
    """The hosts beyond this machine that are reached without TLS; refused unless the owner says that it is so."""
    far = tuple(host for host in reached(parts, env) if not is_here(host))
    mode = parts.options.get("sslmode") or env.get("PGSSLMODE", "")
    if far and mode not in SAFE_MODES and mode != "disable":
        problems.add(
            key,
            f"{far[0]} is another machine, and without `sslmode` whoever is on the way may read all that is written.",
            "Append ?sslmode=verify-full (with &sslrootcert=PATH for a certificate of your own), ?sslmode=require, or "
            "?sslmode=disable where the network between is yours alone.",
        )
    return far if mode == "disable" else ()


def reached(parts: Parts, env: Mapping[str, str]) -> list[str]:
    """Where libpq connects to: an address wins over a name, and its variables hold where the URL says nothing."""
    address = parts.options.get("hostaddr") or env.get("PGHOSTADDR")
    return [each for each in (address or ",".join(parts.hosts) or env.get("PGHOST", "")).split(",") if each]


def is_here(host: str) -> bool:
    """Whether a host is this machine, or a folder with Postgres' socket."""
    if host.startswith(("/", "@")):
        return True
    name = host.rpartition(":")[0] if host.count(":") == 1 or host.startswith("[") else host
    if (name or host) == "localhost":
        return True
    try:
        return ip_address((name or host).strip("[]")).is_loopback
    except ValueError:
        return False
