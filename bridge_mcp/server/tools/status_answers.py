"""The results of tools about the state of the bridge: its channels, tool servers, workers and usage."""

from __future__ import annotations

from pydantic import Field

from bridge_mcp.server.tools.answers import Answer, Instant

__all__ = ["Channels", "Server", "Status"]


class Usage(Answer):
    """Tokens and cost of model calls."""

    calls: int
    """Model calls."""
    input_tokens: int
    """Tokens that were sent."""
    output_tokens: int
    """Tokens that came back."""
    cached_tokens: int
    """Those of the input that the provider had cached."""
    cost_usd: float | None
    """Null as soon as one call's price is unknown; `usd` is the cost of the others."""
    usd: float
    """US dollars, without the calls whose price is unknown."""
    unpriced_calls: int = Field(validation_alias="unpriced")
    """Calls whose price is unknown."""
    latency_s: float
    """Seconds that the calls took together."""


class Abilities(Answer):
    """What a channel can do; a call that needs more is refused as `unsupported`."""

    text_chars: int
    """Characters (UTF-16 code units) of a text that goes out as one message; a longer one is cut. 0: no limit."""
    markdown: list[str]
    """The parts of Markdown that people see formatted."""
    edits: bool
    """Whether sent messages can be changed."""
    reactions: bool
    """Whether it can put reactions below messages."""
    buttons: int
    """How many one message can have."""
    forms: bool
    """Whether a button can ask for words."""
    file_bytes: int
    """Bytes of the largest file that it sends; 0: none."""
    files_in: bool
    """Whether people can send files."""
    albums: bool
    """Whether several files that somebody sends together are one message."""
    edits_in: bool
    """Whether it hears of a message that its author changed."""
    groups: bool
    """Whether several people can write in one chat."""
    bots: bool
    """Whether other bots are heard where the owner lets them."""
    threads: bool
    """Whether chats have threads."""
    topics: list[str]
    """What `create_topic` (make) and `edit_topic` (name, icon, close) can do there."""
    typing: bool
    """Whether a chat can be shown that the assistant types."""
    drafts: bool
    """Whether a reply is shown while it grows."""
    history: bool
    """Whether what people wrote while the bridge did not run is heard afterwards."""
    prompts: bool
    """Whether people are asked for approvals by messages there."""


class Channel(Answer):
    """One account on one platform, and its health."""

    name: str
    type: str
    """The platform, such as `telegram`."""
    distribution: str = ""
    responder: str
    """Who answers: `assistant`, `relay` (MCP clients) or `off`."""
    needs_pairing: bool
    """Whether chats have to be let in."""
    state: str
    """`starting`, `ready`, `degraded` or `stopped`; `error` says why."""
    error: str
    """What is wrong, with its fix; empty for nothing."""
    last_ok: Instant
    """The last good exchange with the platform."""
    today: Usage
    can: Abilities


class Channels(Answer):
    """All channels that the client may see."""

    channels: list[Channel]


class Server(Answer):
    """One nested tool server, and its state."""

    name: str
    state: str
    """`connecting`, `ready`, `degraded` or `stopped`; `error` says why."""
    tools: int
    """How many tools it has."""
    error: str
    """What is wrong; empty for nothing."""
    restarts: int
    """How often it was started again."""
    instructions: str


class Worker(Answer):
    """One of the processes that share the work."""

    host: str
    """The machine it runs on."""
    pid: int
    """Its process id there."""
    version: str
    under_way: int
    concurrency: int
    """How many conversations it drives at once."""
    holds: list[str]
    seen: Instant
    """Its last sign of life."""
    refuses: str
    schema_version: int
    clock_off_s: float


class Queue(Answer):
    """Conversations that wait for a worker, and that one drives."""

    waiting: int
    """Conversations that wait for a worker."""
    under_way: int
    """Conversations that a worker drives."""
    oldest_s: float


class Status(Answer):
    """The state of the bridge, with warnings and their fixes."""

    version: str
    role: str
    engine: str
    settings: str
    engine_pid: int | None
    """The engine's process; null for none."""
    engine_since: Instant
    """When it started."""
    engine_seen: Instant
    engine_wrote: Instant
    """When it last wrote to the store."""
    channels: list[Channel]
    servers: list[Server]
    waiting_approvals: int
    """Calls that wait for a verdict."""
    queued_messages: int
    """Messages that are on their way out."""
    event_cursor: int
    """The feed's newest cursor."""
    today: Usage
    workers: list[Worker]
    queue: Queue
    warnings: list[str]
    """What is wrong, each with its fix."""
