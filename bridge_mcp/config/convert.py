"""Converts the sections of the file into the values that the rooms take, and checks what takes several keys."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from bridge_mcp.channels.plug import PlatformKeys
from bridge_mcp.channels.registry import plug
from bridge_mcp.config import schema
from bridge_mcp.config.channels import channel_settings, gather_s, own_channels
from bridge_mcp.config.people import people
from bridge_mcp.config.problems import Problems, nearest
from bridge_mcp.config.reviews import Reviews, places
from bridge_mcp.config.secrets import Secrets
from bridge_mcp.config.sections import events, prices, quiet_hours
from bridge_mcp.config.servers import tool_server
from bridge_mcp.config.store import StoreAddress, store_address
from bridge_mcp.config.values import ChannelSettings, Client
from bridge_mcp.core.address import Address
from bridge_mcp.core.approval_settings import ApprovalSettings
from bridge_mcp.core.bearer_tokens import OAuth
from bridge_mcp.core.own_places import own_places
from bridge_mcp.core.policy import AGENTS, CLIENT_NAME, RESERVED, SCOPES, Budget, ToolRule
from bridge_mcp.core.spending import Cap, Caps
from bridge_mcp.core.tools import BRIDGE
from bridge_mcp.core.window import Window
from bridge_mcp.models.settings import SCRIPTED, ModelSettings
from bridge_mcp.ports import ChannelRules, Rules
from bridge_mcp.telemetry.settings import TelemetrySettings
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["Reading"]

SHORTEST_TOKEN = 16
STDIO = "stdio"


class Reading:
    """Reads one configuration. Each method records the problems that it finds, and returns what is valid."""

    def __init__(
        self, file: schema.File, folder: Path, problems: Problems, secrets: Secrets, env: Mapping[str, str]
    ) -> None:
        self.file = file
        self.folder = folder
        self.problems = problems
        self.secrets = secrets
        self.env = env
        self._models = dict(file.models)
        if (model := env.get("BRIDGE_MCP_MODEL", "").strip()) and "default" not in self._models:
            self._models["default"] = schema.ModelSection(model=model)
        self._channels, self._bots = self._sections(), dict[str, str]()
        self._reviews = Reviews(self._models, self._existing, problems)

    def store(self, default: Path) -> StoreAddress:
        """Where the store is; `default` is the file without any key."""
        return store_address(self.file.store, self.problems, self.secrets, default, within=self._path, env=self.env)

    def outbox(self, state: Path) -> tuple[Path, ...]:
        """The folders whose files may be sent; one in the state folder, where the file names none."""
        if self.file.files.outbox is None:
            return (state / "outbox",)
        folders = tuple(self._path(text) for text in self.file.files.outbox)
        for folder in folders:
            if state.resolve().is_relative_to(folder.resolve()):
                self.problems.add(
                    "files.outbox",
                    f"{folder} holds the bridge's own state.",
                    "Name a folder that has nothing else in it.",
                )
        return folders

    def models(self) -> dict[str, ModelSettings]:
        """By name of the section."""
        return {name: self._model(name, section) for name, section in self._models.items()}

    def channels(self) -> dict[str, ChannelSettings]:
        """By name; without any section, the local one."""
        return {
            name: channel_settings(name, section, self.problems, self.secrets, self._bots)
            for name, section in self._channels.items()
        }

    def tool_servers(self) -> tuple[ToolServer, ...]:
        """In the order of the file, without those that are wrong."""
        servers = (
            tool_server(name, section, self.folder, self.problems, self.secrets)
            for name, section in self.file.tool_servers.items()
        )
        return tuple(server for server in servers if server)

    def rules(self, state: Path) -> Rules:
        """Return the rules that the engine and the service apply."""
        asked, engine = self.file.approvals, self.file.engine
        self._places("approvals", asked)
        return Rules(
            channels={name: self._rules(name, section) for name, section in self._channels.items()},
            asking=ApprovalSettings().overridden(self._reviews.settings("approvals", asked)),
            tools=(*self._call_rules("approvals", asked.tools), *self._reviews.of_servers(self.file.tool_servers)),
            separate=asked.separate,
            doors_decide=asked.doors_decide,
            cli=asked.cli,
            own_places=own_places(state, self.problems.source, *self._reviews.policies),
            provider=asked.provider,
            people=people(self.file.people, self._channels, self.problems),
            keep_events=self.file.store.keep_events,
            outbox=self.outbox(state),
            max_turns=engine.max_turns,
            hears=self.file.transcription is not None,
            budget=Budget(engine.model_calls, engine.tool_rounds, engine.work_s, attempts=engine.attempts),
            caps=self._caps(),
            events=events(self.file.events, self.problems),
        )

    def clients(self) -> tuple[Client, ...]:
        """The clients over HTTP, without [clients.stdio] and those whose tokens are missing."""
        owners: dict[str, str] = {}
        clients = (self._client(name, section, owners) for name, section in self.file.clients.items() if name != STDIO)
        return tuple(client for client in clients if client)

    def stdio(self) -> Client:
        """Return the rights of a stdio host: every scope but admin, or those of [clients.stdio]."""
        section = self.file.clients.get(STDIO)
        if section is None:
            return Client(STDIO, frozenset(SCOPES) - {"admin"})
        if section.token_env or section.token_file:
            self.problems.add(f"clients.{STDIO}", "a host on stdio shows no token.", "Remove it.")
        if "scopes" not in section.model_fields_set:  # keys add to what holds without the section
            section = section.model_copy(update={"scopes": [scope for scope in SCOPES if scope != "admin"]})
        return self._limits(STDIO, section, "")

    def oauth(self) -> OAuth | None:
        """Return the authorization server whose tokens are accepted."""
        section, key = self.file.http.oauth, "http.oauth"
        if section is None:
            return None
        for name in ("issuer", "jwks_url", "resource"):
            self.problems.add_unless_web(f"{key}.{name}", getattr(section, name))
        if not section.scopes:
            self.problems.add(
                f"{key}.scopes", "no scope of theirs allows anything here.", 'Add "their-scope" = ["read"].'
            )
        self._within(key, section)
        return OAuth(
            section.issuer,
            section.jwks_url,
            section.resource,
            audience=section.audience or section.resource,
            scopes={name: frozenset(scopes) for name, scopes in section.scopes.items()},
            channels=frozenset(section.channels),
            conversations=frozenset(section.conversations),
        )

    def telemetry(self) -> TelemetrySettings | None:
        """Return where traces and metrics are sent; None: nowhere."""
        section = self.file.telemetry
        if section.endpoint is None:
            return None
        self.problems.add_unless_web("telemetry.endpoint", section.endpoint)
        return TelemetrySettings(section.endpoint, section.service, contents=section.contents, sample=section.sample)

    # -- one section each -------------------------------------------------------------------------------------

    def _sections(self) -> dict[str, schema.Channel]:
        """Return the sections of the channels; if there are none, the default channels."""
        if self.file.channels is not None:
            return dict(self.file.channels)
        return own_channels(self.env)

    def _model(self, name: str, section: schema.ModelSection) -> ModelSettings:
        key = f"models.{name}"
        script = section.script
        if script and section.model != SCRIPTED:
            self.problems.add(f"{key}.script", "only a scripted model follows a script.", 'Set model = "scripted".')
            script = None
        self.problems.add_unless_web(f"{key}.base_url", section.base_url)
        return ModelSettings(
            name=name,
            model=section.model,
            api_key=self.secrets.read(f"{key}.api_key", section.api_key_env, section.api_key_file),
            base_url=section.base_url or "",
            via=section.via,
            fallbacks=tuple(section.fallbacks),
            timeout_s=section.timeout_s,
            first_token_s=section.first_token_s,
            stream=section.stream,
            tool_calling=section.tool_calling,
            vision=section.vision,
            prices=prices(key, section, self.problems),
            pdf=section.pdf,
            context_tokens=section.context_tokens,
            reserve_tokens=section.reserve_tokens,
            params=section.params,
            script_path=self._existing(f"{key}.script", script),
            lacking=self.secrets.lack(key),
        )

    def _rules(self, name: str, section: schema.Channel) -> ChannelRules:
        key = f"channels.{name}"
        model = section.model or "default"
        responder = section.responder or ("assistant" if model in self._models else "relay")
        if section.model or responder == "assistant":
            self._model_known(key, section, model)
        for server in section.tool_servers or ():
            self._among(f"{key}.tool_servers", server, {*self.file.tool_servers, BRIDGE}, "tool servers")
        asked, platform = self._models.get(model), section if isinstance(section, PlatformKeys) else PlatformKeys()
        return ChannelRules(
            name=name,
            responder=responder,
            model=model,
            system_prompt=self._prompt(key, section),
            system_prompt_file=self._path(section.system_prompt_file) if section.system_prompt_file else None,
            type=section.type,
            distribution=plug(section.type).distribution,
            chat_context=section.chat_context,
            timezone=self._timezone(key, section.timezone),
            tool_servers=None if section.tool_servers is None else tuple(section.tool_servers),
            builtin_tools=tuple(section.builtin_tools),
            tools=self._call_rules(key, section.tools),
            history_limit=section.history_limit,
            while_busy=section.while_busy,
            window=self._window(section, model),
            late_after_s=section.late_after_s,
            quiet=quiet_hours(key, section.quiet, section.timezone, self.problems),
            speak=self._speak(key, section),
            keep_days=section.keep_days,
            gather_s=gather_s(section, scripted=asked is not None and asked.model == SCRIPTED),
            groups=platform.groups,
            chats={chat: rules.groups for chat, rules in platform.chats.items() if rules.groups},
            bots=platform.bots,
            bot_chats={chat: rules.bots for chat, rules in platform.chats.items() if rules.bots},
            bot_turns=platform.bot_turns,
            guests=plug(section.type).type.guests,
        )

    def _speak(self, key: str, section: schema.Channel) -> Literal["never", "voice", "always"]:
        """Whether answers are spoken, which takes somebody who does."""
        if section.speak != "never" and self.file.speech is None:
            self.problems.add(f"{key}.speak", "nobody speaks: there is no [speech].", "Add it, or remove this line.")
        return section.speak

    def _call_rules(self, key: str, sections: Mapping[str, schema.CallRule]) -> tuple[ToolRule, ...]:
        """Return the rules for single tools: plain names before patterns, since the first match applies."""
        ordered = sorted(sections.items(), key=lambda item: any(mark in item[0] for mark in "*?["))
        rules: list[ToolRule] = []
        for pattern, section in ordered:
            self._places(f'{key}.tools."{pattern}"', section)
            rules.append(ToolRule(pattern, self._reviews.settings(f'{key}.tools."{pattern}"', section)))
        return tuple(rules)

    def _places(self, key: str, section: schema.Approvals | schema.CallRule) -> None:
        """Record a problem for each place of prompts that does not exist."""
        for name, place in (
            *(("route", r) for r in places(section.route)),
            ("escalate_to", section.escalate_to),
        ):
            if not place or (name == "route" and place == AGENTS):
                continue
            channel, chat, _ = Address.of(place)
            if not chat:
                self.problems.add(f"{key}.{name}", "this is not a conversation.", "Write channel/chat_id.")
            else:
                self._among(f"{key}.{name}", channel, self._channels, "channels")
        if section.escalate_s and not (section.escalate_to or self.file.approvals.escalate_to):
            self.problems.add(f"{key}.escalate_s", "nobody is there to escalate to.", "Add escalate_to.")

    def _timezone(self, key: str, name: str) -> str:
        try:
            if name != "UTC":
                ZoneInfo(name)
        except (LookupError, ValueError, OSError):  # unknown, no name of one, a folder
            fix = 'Write one like "Europe/Berlin"' + (", and install tzdata." if sys.platform == "win32" else ".")
            self.problems.add(f"{key}.timezone", f"there is no time zone '{name}'.", fix)
        return name

    def _window(self, section: schema.Channel, model: str) -> Window:
        """Return the limits of one model request of a channel: its model's window, and the limits of its section."""
        settings = self._models.get(model) or schema.ModelSection(model=model)
        context, reserve = settings.context_tokens, settings.reserve_tokens
        if context is not None and reserve is not None and reserve > context // 2:
            self.problems.add(
                f"models.{model}.reserve_tokens",
                f"that leaves less than half of the {context:,} tokens of context_tokens.",
                "Lower it, or leave it out.",
            )
        return Window(
            context,
            reserve,
            result_chars=settings.max_result_chars,
            image_turns=section.image_turns,
            summarise=settings.model != SCRIPTED if section.summarise is None else section.summarise,
        )

    def _caps(self) -> Caps:
        budget = self.file.budget
        return Caps(
            Cap(budget.usd_per_day, budget.tokens_per_day),
            Cap(budget.usd_per_channel_day, budget.tokens_per_channel_day),
            Cap(budget.usd_per_conversation_day, budget.tokens_per_conversation_day),
            stop_unpriced=budget.unknown_price == "stop",
        )

    def _model_known(self, key: str, section: schema.Channel, model: str) -> None:
        if section.model or self._models:
            self._among(f"{key}.model", model, self._models, "models")
        elif section.responder == "assistant":
            self.problems.add(
                f"{key}.responder",
                "an assistant needs a model, and there is none.",
                "Add [models.default], or set BRIDGE_MCP_MODEL.",
            )

    def _prompt(self, key: str, section: schema.Channel) -> str:
        if section.system_prompt is not None and section.system_prompt_file:
            self.problems.add(f"{key}.system_prompt_file", "system_prompt is there too.", "Keep one of the two.")
        path = self._existing(f"{key}.system_prompt_file", section.system_prompt_file)
        if path is None:
            return section.system_prompt or ""
        try:
            return path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            self.problems.add(f"{key}.system_prompt_file", f"{path} cannot be read as UTF-8 text.", "Mend the file.")
            return ""

    def _client(self, name: str, section: schema.Client, owners: dict[str, str]) -> Client | None:
        """Return a client over HTTP; None if its token is missing, since nobody can authenticate as it."""
        key = f"clients.{name}"
        if name in RESERVED:
            self.problems.add(key, "this name is taken by the bridge itself.", "Use another name.")
        if not CLIENT_NAME.fullmatch(name):
            self.problems.add(key, "this is not a name for a client.", "Use up to 64 letters, digits, '_', '.' or '-'.")
        token = self.secrets.read(f"{key}.token", section.token_env, section.token_file)
        if not (section.token_env or section.token_file):
            self.problems.add(key, "a client needs a token.", "Add token_env or token_file.")
        elif token and len(token) < SHORTEST_TOKEN:
            self.problems.add(
                f"{key}.token",
                f"the token has fewer than {SHORTEST_TOKEN} characters.",
                "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
        elif token and token in owners:
            self.problems.add(f"{key}.token", f"{owners[token]} has the same token.", "Give each client its own.")
        owners.setdefault(token, name)
        client = self._limits(name, section, token)
        return client if token else None

    def _limits(self, name: str, section: schema.Client, token: str) -> Client:
        self._within(f"clients.{name}", section)
        for server in section.expose:
            self._among(f"clients.{name}.expose", server, {*self.file.tool_servers, "*"}, "tool servers")
        if section.person_decides and self.file.approvals.separate:
            reason = "approvals.separate says that nobody decides on calls of their own."
            self.problems.add(f"clients.{name}.person_decides", reason, "Take one of the two away.")
        return Client(
            name,
            frozenset(section.scopes),
            frozenset(section.channels),
            conversations=frozenset(section.conversations),
            token=token,
            expose=frozenset(section.expose),
            person_decides=section.person_decides,
        )

    def _within(self, key: str, section: schema.Client | schema.OAuth) -> None:
        """Record a problem for each limit that names no channel or chat: it would let nobody in."""
        for channel in section.channels:
            self._among(f"{key}.channels", channel, self._channels, "channels")
        for conversation in section.conversations:
            channel, chat, _ = Address.of(conversation)
            if not chat:
                self.problems.add(f"{key}.conversations", "this is not a conversation.", "Write channel/chat_id.")
            else:
                self._among(f"{key}.conversations", channel, self._channels, "channels")

    # -- what they share --------------------------------------------------------------------------------------

    def _among(
        self, key: str, name: str, names: Iterable[str], noun: Literal["channels", "models", "tool servers"]
    ) -> None:
        """Record a problem for a name that does not exist."""
        if name not in names and name not in self.problems.left_out:
            self.problems.add(key, f"there is no '{name}' among the {noun}.", nearest(name, names, noun))

    def _path(self, text: str) -> Path:
        return (self.folder / Path(text).expanduser()).absolute()

    def _existing(self, key: str, text: str | None) -> Path | None:
        if text is None:
            return None
        path = self._path(text)
        if not path.is_file():
            self.problems.add(key, f"there is no file {path}.", "Relative paths start at the configuration's folder.")
            return None
        return path
