"""The shape of bridge.toml: every section and key there is, with its type and bounds. Not what they mean."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bridge_mcp.ports import GroupMode

__all__ = [
    "Approvals",
    "Budget",
    "CallRule",
    "Channel",
    "Chat",
    "Client",
    "Engine",
    "File",
    "Files",
    "Http",
    "ModelSection",
    "Name",
    "OAuth",
    "Section",
    "Store",
    "ToolServer",
    "ToolShape",
]

Text = Annotated[str, StringConstraints(min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
"""Of channels, models and clients: what fits into an address."""
ServerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
"""Of tool servers: it begins the names of their tools, and providers take no dots there."""
Confirmation = Literal["required", "never", "by-annotation", "default"]
ScopeName = Literal["read", "send", "approve", "tools", "admin"]


class Section(BaseModel):
    """A table of the file: no key beside those it lists, and no guessing of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Store(Section):
    """[store]"""

    url: Text | None = None
    max_file_mb: float = Field(default=20.0, gt=0, le=1000)
    max_files_mb: float = Field(default=1000.0, gt=0)
    keep_events: int = Field(default=1_000_000, ge=1000)


class Files(Section):
    """[files]"""

    outbox: list[Text] | None = None


class ModelSection(Section):
    """[models.NAME]"""

    model: Text
    api_key_env: Text | None = None
    api_key_file: Text | None = None
    base_url: Text | None = None
    via: Literal["auto", "openai", "litellm"] = "auto"
    fallbacks: list[Text] = []
    timeout_s: float = Field(default=300.0, gt=0, le=3600)
    first_token_s: float = Field(default=60.0, gt=0, le=3600)
    stream: bool | None = None
    context_tokens: int | None = Field(default=None, ge=1_000)
    reserve_tokens: int | None = Field(default=None, ge=0)
    max_result_chars: int = Field(default=20_000, ge=200)
    usd_per_million_input: float | None = Field(default=None, ge=0)
    usd_per_million_output: float | None = Field(default=None, ge=0)
    usd_per_million_cached: float | None = Field(default=None, ge=0)
    tool_calling: Literal["auto", "native", "prompt"] = "auto"
    vision: bool | None = None
    pdf: bool | None = None
    params: dict[str, Any] = {}
    script: Text | None = None


class Chat(Section):
    """[channels.NAME.chats."ID"]"""

    groups: GroupMode


class CallRule(Section):
    """[approvals.tools."PATTERN"] and [channels.NAME.tools."PATTERN"]"""

    confirmation: Confirmation | None = None
    expires_s: float | None = Field(default=None, ge=0)
    route: Text | None = None
    remind_s: float | None = Field(default=None, ge=0)
    escalate_s: float | None = Field(default=None, ge=0)
    escalate_to: Text | None = None
    quorum: int | None = Field(default=None, ge=1, le=100)


class Channel(Section):
    """[channels.NAME]"""

    type: Literal["local", "telegram"]
    token_env: Text | None = None
    token_file: Text | None = None
    api_base_url: Text | None = None
    poll_timeout_s: int = Field(default=30, ge=1, le=50)
    webhook_url: Text | None = None
    webhook_listen: Text | None = None
    webhook_secret_env: Text | None = None
    webhook_secret_file: Text | None = None
    groups: GroupMode = "mention"
    chats: dict[Text, Chat] = {}
    responder: Literal["assistant", "relay", "off"] | None = None
    model: Text | None = None
    system_prompt: str | None = None
    system_prompt_file: Text | None = None
    chat_context: bool = True
    timezone: Text = "UTC"
    tool_servers: list[Text] | None = None
    builtin_tools: list[Literal["whoami", "send_message", "ask_user", "remind"]] = []
    tools: dict[str, CallRule] = {}
    history_limit: int = Field(default=200, ge=1, le=100_000)
    while_busy: Literal["join", "queue", "interrupt"] = "join"
    summarise: bool | None = None
    image_turns: int = Field(default=3, ge=0, le=100_000)
    late_after_s: float = Field(default=3600.0, ge=0)
    updates: list[Literal["message_reaction", "message_reaction_count", "chat_member", "chat_join_request"]] = []
    gather_s: float | None = Field(default=None, ge=0, le=3)


class ToolShape(Section):
    """[tool_servers.NAME.tools."PATTERN"]"""

    confirmation: Confirmation | None = None
    timeout_s: float | None = Field(default=None, gt=0, le=3600)


class ToolServer(Section):
    """[tool_servers.NAME]"""

    command: Text | None = None
    args: list[str] = []
    env: dict[str, str] = {}
    env_pass: list[Text] = []
    cwd: Text | None = None
    url: Text | None = None
    headers: dict[str, str] = {}
    headers_env: dict[str, Text] = {}
    token_env: Text | None = None
    token_file: Text | None = None
    transport: Literal["auto", "http", "sse"] = "auto"
    auth: Literal["oauth"] | None = None
    oauth_scopes: list[Text] = []
    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    connect_timeout_s: float = Field(default=20.0, gt=0, le=3600)
    confirmation: Confirmation = "default"
    allowed_tools: list[Text] = ["*"]
    allowed_resources: list[Text] = []
    allowed_prompts: list[Text] = []
    pinned: bool = True
    instructions: bool = False
    tools: dict[str, ToolShape] = {}


class Approvals(Section):
    """[approvals]"""

    confirmation: Literal["required", "never", "by-annotation"] = "by-annotation"
    expires_s: float = Field(default=600.0, ge=0)
    route: Text | None = None
    remind_s: float = Field(default=0.0, ge=0)
    escalate_s: float = Field(default=0.0, ge=0)
    escalate_to: Text | None = None
    quorum: int = Field(default=1, ge=1, le=100)
    tools: dict[str, CallRule] = {}
    separate: bool = False


class Client(Section):
    """[clients.NAME]"""

    token_env: Text | None = None
    token_file: Text | None = None
    scopes: list[ScopeName] = ["read"]
    channels: list[Text] = []
    conversations: list[Text] = []
    person_decides: bool = False


class Person(Section):
    """[people.NAME]"""

    principals: list[Text] = Field(min_length=1)


class OAuth(Section):
    """[http.oauth]: whose tokens are taken, beside those of clients."""

    issuer: Text
    jwks_url: Text
    resource: Text
    audience: Text | None = None
    scopes: dict[str, list[ScopeName]] = {}
    channels: list[Text] = []
    conversations: list[Text] = []


class Http(Section):
    """[http]: what `serve --http` lets in beside this machine's own names."""

    allowed_hosts: list[Text] = []
    allowed_origins: list[Text] = []
    rate_per_s: float = Field(default=200.0, ge=0)
    burst: int = Field(default=1000, ge=1)
    oauth: OAuth | None = None


class Engine(Section):
    """[engine]: how much is done at once, and what one turn may use."""

    max_turns: int = Field(default=64, ge=1, le=10_000)
    model_calls: int = Field(default=25, ge=1, le=10_000)
    tool_rounds: int = Field(default=24, ge=0, le=10_000)
    work_s: float = Field(default=900.0, gt=0)
    attempts: int = Field(default=4, ge=1, le=100)


class Budget(Section):
    """[budget]: what models may take in a day of UTC; a cap that is not there caps nothing."""

    usd_per_day: float | None = Field(default=None, ge=0)
    usd_per_channel_day: float | None = Field(default=None, ge=0)
    usd_per_conversation_day: float | None = Field(default=None, ge=0)
    tokens_per_day: int | None = Field(default=None, ge=0)
    tokens_per_channel_day: int | None = Field(default=None, ge=0)
    tokens_per_conversation_day: int | None = Field(default=None, ge=0)
    unknown_price: Literal["allow", "stop"] = "allow"


class File(Section):
    """The whole file."""

    store: Store = Store()
    files: Files = Files()
    models: dict[Name, ModelSection] = {}
    channels: dict[Name, Channel] | None = None
    tool_servers: dict[ServerName, ToolServer] = {}
    approvals: Approvals = Approvals()
    clients: dict[Name, Client] = {}
    people: dict[Name, Person] = {}
    http: Http = Http()
    engine: Engine = Engine()
    budget: Budget = Budget()
