"""A URL of Postgres', taken apart as libpq does: what of it may be shown, and whether others may read along."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import ClassVar
from urllib.parse import unquote

from bridge_mcp.core.secret_fields import HidesFields

__all__ = ["ENCODED", "POSTGRES", "Parts", "far_hosts", "mode_of", "taken_apart", "unprotected"]

POSTGRES = ("postgresql://", "postgres://")
SAFE_MODES = frozenset({"require", "verify-ca", "verify-full"})
"""What `sslmode` has to be so that nobody on the way reads along (postgresql.org/docs/current/libpq-ssl.html)."""
WHO = re.compile(r"([^@/]*)@")
HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")
ENCODED = (
    'Write "postgresql://USER@HOST/DATABASE", with each special character of user and password in percent form: '
    "%2F for /, %40 for @, %25 for %."
)


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


def taken_apart(url: str) -> Parts:
    """The parts of a URL of Postgres', read as libpq does (`conninfo_uri_parse_options`).

    Whatever stands before the first `@`, where no `/` is before it, is user and password: these may hold `#` and `?`.

    Raises:
        ValueError: it is none, or what is a part of a password would be taken for a host or a database.
    """
    _, _, rest = url.partition("://")
    credentials = WHO.match(rest)
    userinfo, location = (credentials[1], rest[credentials.end() :]) if credentials else ("", rest)
    user, _, password = userinfo.partition(":")
    authority, _, query = location.partition("?")
    hosts, _, database = authority.partition("/")
    host_names = [unquote(each) for each in hosts.split(",") if each]
    options = {unquote(name): unquote(value) for name, _, value in (each.partition("=") for each in query.split("&"))}
    if "@" in authority or any("@" in name for name in options) or not all(HOST.fullmatch(each) for each in host_names):
        raise ValueError("a special character of user or password stands as it is")
    if options.get("host") or options.get("hostaddr"):
        host_names = (options.get("host") or options["hostaddr"]).split(",")
    return Parts(
        unquote(user) or options.get("user", ""),
        unquote(password) or options.get("password", ""),
        tuple(host_names),
        database=unquote(database) or options.get("dbname", ""),
        options=options,
    )


def far_hosts(parts: Parts, env: Mapping[str, str]) -> tuple[str, ...]:
    """The hosts beyond this machine."""
    return tuple(host for host in reached(parts, env) if not is_here(host))


def mode_of(parts: Parts, env: Mapping[str, str]) -> str:
    """What is said of TLS; "" for nothing."""
    return parts.options.get("sslmode") or env.get("PGSSLMODE", "")


def unprotected(parts: Parts, env: Mapping[str, str]) -> tuple[str, ...]:
    """The hosts beyond this machine to which others may read along, though nobody has said that they may."""
    mode = mode_of(parts, env)
    return () if mode in SAFE_MODES or mode == "disable" else far_hosts(parts, env)


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
