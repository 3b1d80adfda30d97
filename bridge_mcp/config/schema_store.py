"""The sections of bridge.toml about what is kept, where, and which files may leave."""

from __future__ import annotations

from pydantic import Field

from bridge_mcp.config.schema_approvals import Section, Text

__all__ = ["Files", "Store"]


class Store(Section):
    """[store]: where everything is kept, and how much of it."""

    url: Text | None = None
    """Where it is, as `sqlite:///PATH` or (with the extra `postgres`) `postgresql://USER@HOST/DATABASE`; no password
    stands here. Without it: `bridge.db` in the state folder."""
    url_env: Text | None = None
    """The variable that holds the URL, with its password."""
    url_file: Text | None = None
    """The file that holds the URL, with its password."""
    direct_url: Text | None = None
    """Where `url` leads to a pooler such as PgBouncer: the URL of Postgres itself, for notices and locks."""
    direct_url_env: Text | None = None
    """The variable that holds that URL."""
    direct_url_file: Text | None = None
    """The file that holds that URL."""
    reads_at_once: int = Field(default=4, ge=1, le=64)
    """How many reads of Postgres a process makes at once, each on a connection of its own; searches have half as many
    beside them. A face has up to three other connections, and a worker nine."""
    max_file_mb: float = Field(default=20.0, gt=0, le=1000)
    """The largest file from a chat or a tool that is kept, in megabytes."""
    max_files_mb: float = Field(default=1000.0, gt=0)
    """How much all kept files may take; the oldest are removed first."""
    keep_events: int = Field(default=1_000_000, ge=1000)
    """How many events the feed keeps; a reader who comes later is told that some are gone."""


class Files(Section):
    """[files]: which files of this machine may be sent."""

    outbox: list[Text] | None = None
    """Folders whose files may be sent; without it: `outbox` in the state folder."""
