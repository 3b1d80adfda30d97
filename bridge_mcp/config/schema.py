"""The shape of bridge.toml: every section and key there is, with its type and bounds. Not what they mean."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, cast

from pydantic import (
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from bridge_mcp.channels.plug import Keys
from bridge_mcp.channels.registry import plug
from bridge_mcp.config.problems import TOLD
from bridge_mcp.config.schema_approvals import Approvals, CallRule, Confirmation, Person, Review, Section, Text
from bridge_mcp.config.schema_services import Files, Log, Speech, Store, Telemetry, Transcription
from bridge_mcp.core.errors import ConfigError

__all__ = [
    "Approvals",
    "Budget",
    "CallRule",
    "Channel",
    "Client",
    "Engine",
    "Events",
    "File",
    "Files",
    "Http",
    "Log",
    "ModelSection",
    "Name",
    "OAuth",
    "Review",
    "Section",
    "Speech",
    "Store",
    "Telemetry",
    "ToolServer",
    "ToolShape",
    "Transcription",
    "channel_section",
    "section_at",
    "section_of",
]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
"""Of channels, models and clients: what fits into an address."""
ServerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
"""Of tool servers: it begins the names of their tools, and providers take no dots there."""
ScopeName = Literal["read", "send", "approve", "tools", "admin"]


class ModelSection(Section):
    """[models.NAME]: a model, under the name that channels and fallbacks know it by; `default` is the usual one."""

    model: Text
    """The model as litellm names it, such as `openai/gpt-5-mini`; `scripted` follows rules and needs no provider."""
    api_key_env: Text | None = None
    """The variable that holds the key."""
    api_key_file: Text | None = None
    """The file that holds the key."""
    base_url: Text | None = None
    """An endpoint of your own (Ollama, LM Studio, vLLM, llama.cpp, a gateway)."""
    via: Literal["auto", "openai", "litellm"] = "auto"
    """How it is asked: in OpenAI's format (`openai`) or by `litellm`; `auto`: the first where there is a `base_url`."""
    fallbacks: list[Text] = []
    """Models that are asked in turn when this one fails: names of sections, or of models."""
    timeout_s: float = Field(default=300.0, gt=0, le=3600)
    """Seconds for a whole answer."""
    first_token_s: float = Field(default=60.0, gt=0, le=3600)
    """Seconds until the first word, and between two of them, where the answer is streamed."""
    stream: bool | None = None
    """Whether answers are streamed; without it: from a `base_url` always, through litellm where somebody watches."""
    context_tokens: int | None = Field(default=None, ge=1_000)
    """How much question and answer may take together; without it: as litellm knows it."""
    reserve_tokens: int | None = Field(default=None, ge=0)
    """How much of `context_tokens` is kept for the answer."""
    max_result_chars: int = Field(default=20_000, ge=200)
    """Characters of a tool's result that the model gets at once; it can read on."""
    usd_per_million_input: float | None = Field(default=None, ge=0)
    """Dollars for a million tokens of questions; without it: as litellm knows it. 0: free."""
    usd_per_million_output: float | None = Field(default=None, ge=0)
    """Dollars for a million tokens of answers."""
    usd_per_million_cached: float | None = Field(default=None, ge=0)
    """Dollars for a million tokens of questions that the provider had in its cache."""
    tool_calling: Literal["auto", "native", "prompt"] = "auto"
    """How it calls tools: by itself (`native`), or in text that the bridge reads (`prompt`); `auto`: as it can."""
    vision: bool | None = None
    """Whether it sees images; without it: as litellm knows it, and at a `base_url` not."""
    pdf: bool | None = None
    """Whether it reads PDFs; without it: as litellm knows it, and at a `base_url` not."""
    params: dict[str, Any] = {}
    """Further fields of each request, such as `temperature`."""
    script: Text | None = None
    """The file with the rules of a scripted model."""


class Channel(Section):
    """[channels.NAME]: a place where people write. These are the keys of every channel; each type adds its own."""

    type: Text
    """What kind of place it is: `local`, a platform that the bridge knows, or one that an installed package brings."""
    responder: Literal["assistant", "relay", "off"] | None = None
    """Who answers: the model (`assistant`), MCP clients (`relay`), nobody (`off`); else the model, if there is one."""
    model: Text | None = None
    """The section of `[models]` that answers; without it: `default`."""
    system_prompt: str | None = None
    """What the assistant is told first."""
    system_prompt_file: Text | None = None
    """The file with that text; it is read again when it changes."""
    chat_context: bool = True
    """Whether the assistant is told where it is, who writes, and when."""
    timezone: Text = "UTC"
    """The time zone in which it is told times, such as `Europe/Berlin`."""
    tool_servers: list[Text] | None = None
    """The tool servers that the assistant may use here; without it: all."""
    builtin_tools: list[Literal["whoami", "send_message", "ask_user", "remind"]] = []
    """What the assistant can do in the bridge itself."""
    tools: dict[str, CallRule] = {}
    """Rules for single tools on this channel; they come before those of `[approvals]`."""
    history_limit: int = Field(default=200, ge=1, le=100_000)
    """How many messages the model sees at most."""
    while_busy: Literal["join", "queue", "interrupt"] = "join"
    """What a message does while the assistant works: it can `join` that turn, `queue` for its own, or `interrupt`."""
    summarise: bool | None = None
    """Whether the model sums up what no longer fits its window; false: it is just left out."""
    image_turns: int = Field(default=3, ge=0, le=100_000)
    """In how many of the last turns the model sees images."""
    late_after_s: float = Field(default=3600.0, ge=0)
    """Messages that came in more seconds late than this are marked as late."""
    quiet: Text | None = None
    """Hours such as `22:00-07:00`, in `timezone`, in which messages make no sound and nobody is reminded of calls."""
    speak: Literal["never", "voice", "always"] = "never"
    """Whether the assistant's answers are spoken too, by `[speech]`: those to voice messages (`voice`), or all."""
    keep_days: float = Field(default=0.0, ge=0, le=36_500)
    """After how many days the content of conversations here is forgotten for good; 0 for never."""


def channel_section(body: dict[str, Any]) -> Channel:
    """A section by the keys of its type.

    Raises:
        ValidationError: it has another shape, or there is no such type.
    """
    return section_of(str(body["type"])).model_validate(body)


def section_of(name: str) -> type[Channel]:
    """The keys of sections of a type: its own, and those of every channel.

    Raises:
        ConfigError: there is no such type.
    """
    return joined(name, plug(name).type.settings)


@cache
def joined(name: str, keys: type[Keys]) -> type[Channel]:
    """See `section_of`."""
    if shared := keys.model_fields.keys() & Channel.model_fields.keys():
        raise ConfigError(
            f"the type '{name}' has keys that every channel has: {', '.join(sorted(shared))}.",
            fix="Install a version of it that fits this bridge.",
        )
    return cast("type[Channel]", create_model(f"{name}Section", __base__=(Channel, keys)))


def section_at(body: dict[str, Any], path: list[int | str]) -> type[Channel] | None:
    """The keys of the section at this path of a file, where they depend on its type; None elsewhere."""
    match path:
        case ["channels", str(name)]:
            try:
                return section_of(body["channels"][name]["type"])
            except (ConfigError, KeyError, TypeError):
                return None
        case _:
            return None


def by_type(value: object, usual: ValidatorFunctionWrapHandler) -> object:
    """Read a section by its type; one whose type is missing or unknown is told as what it is."""
    if not isinstance(value, dict) or not isinstance(name := cast("dict[str, Any]", value).get("type"), str):
        return usual(value)
    try:
        return section_of(name).model_validate(value)
    except ConfigError as exc:
        message = str(exc).removesuffix(exc.fix).rstrip()
        told = PydanticCustomError(TOLD, "{what}", {"what": message, "fix": exc.fix})
        error = InitErrorDetails(type=told, loc=("type",), input=name)
        raise ValidationError.from_exception_data("Channel", [error]) from exc


class ToolShape(Section):
    """[tool_servers.NAME.tools."PATTERN"]: rules for single tools of one server."""

    confirmation: Confirmation | None = None
    """Whether calls of these tools ask first."""
    timeout_s: float | None = Field(default=None, gt=0, le=3600)
    """Seconds for one call of them."""
    review: Review | Literal[False] | None = None
    """The model that looks at these calls before people are asked; false: none."""


class ToolServer(Section):
    """[tool_servers.NAME]: an MCP server whose tools the assistant and clients can call: a command or a url."""

    command: Text | None = None
    """The program that is the server, over stdio."""
    args: list[str] = []
    """Its arguments."""
    env: dict[str, str] = {}
    """Variables that it gets, with their values."""
    env_pass: list[Text] = []
    """Names of the bridge's own variables that it gets too."""
    cwd: Text | None = None
    """The folder it starts in; without it: the configuration's."""
    url: Text | None = None
    """The address of a server over HTTP."""
    headers: dict[str, str] = {}
    """Headers of every request."""
    headers_env: dict[str, Text] = {}
    """Headers whose values stand in variables: header = name of the variable."""
    token_env: Text | None = None
    """The variable that holds its bearer token."""
    token_file: Text | None = None
    """The file that holds its bearer token."""
    transport: Literal["auto", "http", "sse"] = "auto"
    """The transport over HTTP: `sse` is the older kind; `auto` takes that for a url that ends in /sse."""
    auth: Literal["oauth"] | None = None
    """`oauth`: log in once with `bridge-mcp servers login NAME`."""
    oauth_scopes: list[Text] = []
    """The scopes to ask for when logging in."""
    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """Seconds for one call."""
    connect_timeout_s: float = Field(default=20.0, gt=0, le=3600)
    """Seconds to start or reach it."""
    confirmation: Confirmation = "default"
    """Whether its calls ask first; `default`: as `[approvals]` says."""
    allowed_tools: list[Text] = ["*"]
    """Patterns of the tools that there are for the bridge."""
    allowed_resources: list[Text] = []
    """Patterns of the resources that the assistant may read; none without it."""
    allowed_prompts: list[Text] = []
    """Patterns of the prompts that the assistant may fetch; none without it."""
    run: Literal["each", "one"] = "each"
    """On Postgres: `one` for a server that keeps state, which one worker at a time runs and calls; `each`: every one
    has its own."""
    pinned: bool = True
    """Whether a tool that changed since it was first seen asks, whatever else holds."""
    instructions: bool = False
    """Whether it may say in the system prompt how its tools are used."""
    review: Review | Literal[False] | None = None
    """The model that looks at its calls before people are asked; false: none."""
    tools: dict[str, ToolShape] = {}
    """Rules for single tools of this server."""


class Client(Section):
    """[clients.NAME]: an MCP client over HTTP, with a token; [clients.stdio] is the host that starts `bridge-mcp`."""

    token_env: Text | None = None
    """The variable that holds its token (at least 16 characters)."""
    token_file: Text | None = None
    """The file that holds its token."""
    scopes: list[ScopeName] = ["read"]
    """What it may do; of `[clients.stdio]` without it: all but `admin`."""
    channels: list[Text] = []
    """The channels that it sees; without it and `conversations`: all."""
    conversations: list[Text] = []
    """The conversations that it sees beside those of `channels`."""
    expose: list[Text] = []
    """The tool servers whose tools, resources and prompts are among its own, as `server__tool`,
    `bridge://servers/SERVER/URI` and `server__prompt`; `*`: all. It takes the scope `tools`."""
    person_decides: bool = False
    """Whether a form at that host decides on the calls it asks for itself: only for a host that you sit at."""


class OAuth(Section):
    """[http.oauth]: an authorization server whose tokens (JWT) are taken, beside those of clients."""

    issuer: Text
    """The `iss` of its tokens."""
    jwks_url: Text
    """Where its public keys are."""
    resource: Text
    """The address of this bridge, as its clients know it."""
    audience: Text | None = None
    """The `aud` of its tokens; without it: `resource`."""
    scopes: dict[str, list[ScopeName]] = {}
    """What each of their scopes allows here."""
    channels: list[Text] = []
    """The channels that its clients see; without it and `conversations`: all."""
    conversations: list[Text] = []
    """The conversations that its clients see beside those of `channels`."""


class Http(Section):
    """[http]: what `serve --http` lets in beside this machine's own names."""

    allowed_hosts: list[Text] = []
    """Further values of the Host header that are served, such as the name at a reverse proxy."""
    allowed_origins: list[Text] = []
    """Web pages that may use the bridge from a browser (CORS)."""
    rate_per_s: float = Field(default=200.0, ge=0)
    """Requests a second of one client in the long run; 0: any number."""
    burst: int = Field(default=1000, ge=1)
    """Requests of one client at once."""
    oauth: OAuth | None = None
    """An authorization server; a section of its own."""


class Engine(Section):
    """[engine]: how much is done at once, and what one turn may use."""

    max_turns: int = Field(default=64, ge=1, le=10_000)
    """Conversations that are worked on at once."""
    model_calls: int = Field(default=25, ge=1, le=10_000)
    """Calls of a model in one turn."""
    tool_rounds: int = Field(default=24, ge=0, le=10_000)
    """Rounds of tool calls in one turn."""
    work_s: float = Field(default=900.0, gt=0)
    """Seconds of work in one turn; waiting for people does not count."""
    attempts: int = Field(default=4, ge=1, le=100)
    """How often a call of a model, or of a tool that may be repeated, is tried before it is given up."""


class Events(Section):
    """[events]: MCP Events (SEP-3415): what happens, polled by clients or posted to them as signed webhooks."""

    delivery: list[Literal["poll", "webhook"]] = []
    """How clients may get events; without it: not at all. `webhook` is for clients over HTTP with a token."""
    local_hosts: list[Text] = []
    """Callbacks, as HOST:PORT, that may be in a private network or on this machine, and without https."""
    max_subscriptions: int = Field(default=20, ge=1, le=1000)
    """How many webhook subscriptions one client may have."""


class Budget(Section):
    """[budget]: what models may take in a day of UTC; a cap that is not there caps nothing."""

    usd_per_day: float | None = Field(default=None, ge=0)
    """Dollars of all conversations together."""
    usd_per_channel_day: float | None = Field(default=None, ge=0)
    """Dollars of each channel."""
    usd_per_conversation_day: float | None = Field(default=None, ge=0)
    """Dollars of each conversation."""
    tokens_per_day: int | None = Field(default=None, ge=0)
    """Tokens of all conversations together."""
    tokens_per_channel_day: int | None = Field(default=None, ge=0)
    """Tokens of each channel."""
    tokens_per_conversation_day: int | None = Field(default=None, ge=0)
    """Tokens of each conversation."""
    unknown_price: Literal["allow", "stop"] = "allow"
    """`stop`: where dollars are capped, no call is made whose price nobody knows."""


class File(Section):
    """The whole file."""

    store: Store = Store()
    files: Files = Files()
    models: dict[Name, ModelSection] = {}
    transcription: Transcription | None = None
    speech: Speech | None = None
    channels: dict[Name, Annotated[Channel, WrapValidator(by_type)]] | None = None
    tool_servers: dict[ServerName, ToolServer] = {}
    approvals: Approvals = Approvals()
    clients: dict[Name, Client] = {}
    people: dict[Name, Person] = {}
    http: Http = Http()
    engine: Engine = Engine()
    budget: Budget = Budget()
    events: Events = Events()
    log: Log = Log()
    telemetry: Telemetry = Telemetry()
