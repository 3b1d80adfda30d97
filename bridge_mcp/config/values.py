"""The settings as frozen values, as `assembly` hands them to the rooms. Secrets are in no `repr`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from msgspec import Struct, field

from bridge_mcp.channels.registry import Plug
from bridge_mcp.config.store import StoreAddress
from bridge_mcp.core.bearer_tokens import OAuth, hash_token
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.policy import Principal, Scope
from bridge_mcp.core.secret_fields import HidesFields
from bridge_mcp.models.settings import ModelSettings, SpeechSettings, TranscriptionSettings
from bridge_mcp.ports import Rules
from bridge_mcp.telemetry.settings import TelemetrySettings
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["ChannelSettings", "Client", "Config", "files_beside", "lock_beside"]


class ChannelSettings(Struct, frozen=True):
    """How one channel is reached; what is done there is in `Rules.channels`."""

    name: str
    plug: Plug
    """Its type."""
    settings: object
    """What its type made of the section."""
    lacking: str = ""
    """Secrets that the section names and that are not there, with the fix."""


class Client(HidesFields, frozen=True):
    """One MCP client; without limits it may go everywhere. Whoever started the process is `stdio`, without a token."""

    HIDDEN: ClassVar = frozenset({"token"})

    name: str
    scopes: frozenset[Scope]
    channels: frozenset[str] = frozenset()
    conversations: frozenset[str] = frozenset()
    token: str = ""
    expose: frozenset[str] = frozenset()
    """The tool servers whose tools are among its own."""
    person_decides: bool = False
    """Whether a person sits at its host, who decides in a form of it on the calls that it asks for."""

    @property
    def principal(self) -> Principal:
        """The principal as which it acts."""
        return Principal(
            self.name,
            "client",
            self.scopes,
            channels=self.channels,
            conversations=self.conversations,
            via="mcp",
            attended=self.person_decides,
            expose=self.expose,
        )


class Config(HidesFields, frozen=True):
    """All settings."""

    HIDDEN: ClassVar = frozenset({"secrets"})

    source: Path | None
    """The file they are from; None when there is none."""
    state_dir: Path
    store: StoreAddress
    channels: Mapping[str, ChannelSettings]
    rules: Rules
    models: Mapping[str, ModelSettings]
    tool_servers: tuple[ToolServer, ...]
    clients: tuple[Client, ...]
    """Those over HTTP."""
    stdio: Client
    allowed_hosts: tuple[str, ...] = ()
    """Names by which HTTP clients reach the bridge, beside this machine's own."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of web pages that may use it over HTTP."""
    max_file: int = 20_000_000
    """Bytes of one kept file, and of all of them together."""
    max_files: int = 1_000_000_000
    rate_per_s: float = 200.0
    """Requests that each HTTP client may make in a second, in the long run; 0 for any number."""
    burst: int = 1000
    """Requests that each HTTP client may make at once."""
    oauth: OAuth | None = None
    transcription: TranscriptionSettings | None = None
    """Who turns voice messages into text; None: nobody."""
    speech: SpeechSettings | None = None
    """Who speaks answers; None: nobody."""
    lacking: Mapping[str, str] = field(default_factory=dict[str, str])
    """By key: a secret that was not there, and its fix. What needs it does not work; all else does."""
    digest: str = ""
    """The SHA-256 of the file's bytes, by which processes see whether they read the same; "" without a file."""
    passed_over: Path | None = None
    """A bridge.toml in the working folder that was not taken, because nobody named it."""
    telemetry: TelemetrySettings | None = None
    """Where traces and metrics go; None: nowhere."""
    log_json: bool = False
    """Whether log lines are JSON objects."""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """Every secret value that is known, by the name that logs show in its place."""

    @property
    def visitors(self) -> tuple[Principal, ...]:
        """Who may come over HTTP by these settings; whoever an authorization server lets in counts as one."""
        principals = [client.principal for client in self.clients]
        if self.oauth is not None:
            scopes = frozenset[Scope]().union(*self.oauth.scopes.values())
            principals.append(
                Principal(
                    "oauth", "client", scopes, channels=self.oauth.channels, conversations=self.oauth.conversations
                )
            )
        return tuple(principals)

    @property
    def principals(self) -> Mapping[str, Principal]:
        """The clients over HTTP, by the hash of their token."""
        return {hash_token(client.token): client.principal for client in self.clients}

    @property
    def where(self) -> str:
        """The file, for people."""
        return str(self.source) if self.source else "no bridge.toml (the defaults)"

    @property
    def store_path(self) -> Path:
        """The SQLite file.

        Raises:
            ConfigError: the store is a database of Postgres', or nobody knows where it is.
        """
        if self.store.lacking:
            raise ConfigError(f"The store cannot be found: {self.store.lacking}", fix="See [store] in bridge.toml.")
        if self.store.is_postgres:
            raise ConfigError(
                f"This needs a store that is a file on this machine, and the store is {self.store.shown}.",
                fix="Name a configuration with a SQLite store: --config.",
            )
        return Path(self.store.url.removeprefix("sqlite:///"))

    @property
    def files_path(self) -> Path:
        """The folder of kept files: one beside each store. Postgres keeps them itself."""
        return files_beside(self.store_path, self.state_dir)

    @property
    def tokens_path(self) -> Path:
        """The folder of what logging in to tool servers gave."""
        return self.state_dir / "oauth"

    @property
    def callers_path(self) -> Path:
        """The folder of the locks of processes that run calls themselves: one beside each store."""
        return self.lock_path.with_name(f"{self.lock_path.name.removesuffix('engine.lock')}callers")

    @property
    def drafts_path(self) -> Path:
        """The folder of replies that grow: one beside each store."""
        return self.lock_path.with_name(f"{self.lock_path.name.removesuffix('engine.lock')}drafts")

    @property
    def lock_path(self) -> Path:
        """The file whose lock the engine holds: one beside each store, so that one store never has two engines.

        With Postgres no process holds it: callers and drafts of this machine have their folders beside it.
        """
        if self.store.is_postgres:
            return self.state_dir / f"postgres-{self.store.name}.engine.lock"
        return lock_beside(self.store_path, self.state_dir)


def files_beside(store: Path, state: Path) -> Path:
    """The folder of the files of a SQLite store; `state` is the state folder."""
    return state / "files" if store == state / STORE_NAME else store.with_name(f"{store.name}.files")


def lock_beside(store: Path, state: Path) -> Path:
    """The file whose lock the engine of a SQLite store holds."""
    return state / "engine.lock" if store == state / STORE_NAME else store.with_name(f"{store.name}.engine.lock")


STORE_NAME = "bridge.db"
