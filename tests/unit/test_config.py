"""What a configuration means: where it is found, what is there without one, and what the rooms are given."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from bridge_mcp.channels.telegram.bot.settings import TelegramSettings, Webhook
from bridge_mcp.config import Config, config_folder, load_config
from bridge_mcp.core.approval_settings import Reviewer
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.policy import Budget, Policy
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.core.window import Window

BOT = "123456:AAHplantedTelegramToken"
HOOK = "planted-webhook-secret"


class Home:
    """An owner's folders, and the environment that points there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cwd = root / "work"
        self.cwd.mkdir()
        self.env = {
            "HOME": str(root),
            "XDG_CONFIG_HOME": str(root / "config"),
            "APPDATA": str(root / "config"),
            "BRIDGE_MCP_STATE_DIR": str(root / "state"),
        }

    def write(self, text: str, name: str = "bridge.toml") -> Path:
        path = self.cwd / name
        path.write_text(text, "utf-8")
        return path

    def own(self, text: str) -> Path:
        """The user's own file."""
        path = config_folder(self.env) / "bridge.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def load(self, path: str | Path | None = None, **env: str) -> Config:
        return load_config(path, env=self.env | env, cwd=self.cwd)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.shows("config.none")
def test_no_file_at_all_is_a_local_channel_answered_by_clients(home: Home) -> None:
    config = home.load()
    assert config.source is None
    assert [(c.name, c.plug.name) for c in config.channels.values()] == [("local", "local")]
    assert config.rules.channels["local"].responder == "relay"
    assert config.models == {}
    assert config.stdio.scopes == {"read", "send", "approve", "tools"}
    assert config.store_path == home.root / "state" / "bridge.db"
    assert config.lock_path == home.root / "state" / "engine.lock"


@pytest.mark.shows("config.none")
def test_the_environment_alone_brings_a_model_and_a_telegram_channel(home: Home) -> None:
    config = home.load(BRIDGE_MCP_MODEL="openai/gpt-5-mini", TELEGRAM_BOT_TOKEN=BOT)
    assert list(config.channels) == ["local", "telegram"]
    assert config.channels["telegram"].settings == TelegramSettings("telegram", BOT)
    assert {rules.responder for rules in config.rules.channels.values()} == {"assistant"}
    assert config.models["default"].model == "openai/gpt-5-mini"


def test_the_search_order_is_argument_environment_user(home: Home) -> None:
    own = home.own("")
    assert home.load().source == own
    named = home.write("", "named.toml")
    assert home.load(BRIDGE_MCP_CONFIG=str(named)).source == named
    asked = home.write("", "asked.toml")
    assert home.load("asked.toml", BRIDGE_MCP_CONFIG=str(named)).source == asked


@pytest.mark.shows("config.own-file")
def test_a_file_of_the_working_folder_is_never_taken_by_itself(home: Home) -> None:
    stranger = home.write('[tool_servers.evil]\ncommand = "touch"\n')
    found = home.load()
    assert (found.source, found.passed_over, found.tool_servers) == (None, stranger, ())
    own = home.own("")
    found = home.load()
    assert (found.source, found.passed_over) == (own, stranger)
    found = home.load("bridge.toml")
    assert (found.source, found.passed_over) == (stranger, None)
    assert home.load(BRIDGE_MCP_CONFIG="bridge.toml").source == stranger


def test_base_folders_that_are_relative_are_ignored_for_they_would_be_the_projects(home: Home) -> None:
    (home.cwd / "bridge-mcp").mkdir()
    home.write("nonsense", "bridge-mcp/bridge.toml")
    assert config_folder({"XDG_CONFIG_HOME": "."}).is_absolute()
    assert config_folder({"XDG_CONFIG_HOME": "."}) == config_folder({})


def test_the_users_own_folder_as_the_working_folder_passes_nothing_over(home: Home) -> None:
    own = home.own("")
    found = load_config(env=home.env, cwd=own.parent)
    assert (found.source, found.passed_over) == (own, None)


@pytest.mark.shows("config.safe-file")
@pytest.mark.skipif(sys.platform == "win32", reason="modes mean nothing there")
@pytest.mark.parametrize("level", ["file", "folder", "folder above"])
def test_a_file_of_the_user_that_others_can_write_is_refused_with_the_way_out(home: Home, level: str) -> None:
    own = home.own("")
    opened = {"file": own, "folder": own.parent, "folder above": own.parent.parent}[level]
    opened.chmod(opened.stat().st_mode | 0o002)
    with pytest.raises(ConfigError, match="can be written by everybody") as caught:
        home.load()
    assert f"chmod go-w '{opened}'" in str(caught.value)
    assert home.load(own).source == own, "who names it, wants it"
    opened.chmod(opened.stat().st_mode & ~0o002)
    assert home.load().source == own


@pytest.mark.skipif(sys.platform == "win32", reason="modes mean nothing there")
def test_a_link_is_as_safe_as_what_it_points_to(home: Home) -> None:
    shared = home.root / "shared"
    shared.mkdir()
    real = shared / "bridge.toml"
    real.write_text("", "utf-8")
    own = home.own("")
    own.unlink()
    own.symlink_to(real)
    assert home.load().source == own
    shared.chmod(0o777)
    with pytest.raises(ConfigError, match="can be written by everybody"):
        home.load()


@pytest.mark.parametrize(("argument", "env"), [("nowhere.toml", {}), (None, {"BRIDGE_MCP_CONFIG": "nowhere.toml"})])
def test_a_named_file_that_is_not_there_is_an_error(home: Home, argument: str | None, env: dict[str, str]) -> None:
    home.write("")
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        home.load(argument, **env)


@pytest.mark.shows("store.private")
def test_the_state_folder_is_made_for_its_owner_alone(home: Home) -> None:
    state = home.load().state_dir
    assert state == home.root / "state"
    if sys.platform != "win32":
        assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_without_a_moved_state_folder_it_is_the_users(home: Home) -> None:
    del home.env["BRIDGE_MCP_STATE_DIR"]
    if sys.platform == "linux":
        assert home.load(XDG_STATE_HOME=str(home.root / "s")).state_dir == home.root / "s" / "bridge-mcp"


def test_a_state_folder_that_is_a_file_names_the_way_out(home: Home) -> None:
    (home.root / "state").write_text("", "utf-8")
    with pytest.raises(ConfigError, match="BRIDGE_MCP_STATE_DIR"):
        home.load()


def test_everything_said_in_the_file_reaches_the_values(home: Home) -> None:
    (home.cwd / "family.md").write_text("You help a family.\n", "utf-8")
    (home.cwd / "key").write_text("sk-planted-key\n", "utf-8")
    (home.cwd / "rules.toml").write_text("", "utf-8")
    home.write("""
[store]
url = "sqlite:///data/chat.db"
[models.default]
model = "openai/gpt-5-mini"
api_key_file = "key"
base_url = "http://127.0.0.1:11434/v1"
fallbacks = ["anthropic/claude-sonnet-5"]
timeout_s = 30
usd_per_million_input = 2
usd_per_million_output = 8
usd_per_million_cached = 0.5
params = { temperature = 0.5 }
[models.script]
model = "scripted"
script = "rules.toml"
[channels.family]
type = "telegram"
token_env = "FAMILY"
api_base_url = "http://127.0.0.1:8081"
poll_timeout_s = 20
webhook_url = "https://bot.example/in"
webhook_listen = "127.0.0.1:8443"
webhook_secret_env = "HOOK"
responder = "assistant"
system_prompt_file = "family.md"
tool_servers = ["time"]
history_limit = 50
late_after_s = 60
[channels.family.chats."-100200"]
groups = "always"
[channels.family.chats."-100200/7"]
groups = "observe"
[channels.desk]
type = "local"
model = "script"
system_prompt = "Be brief."
[tool_servers.time]
command = "uvx"
args = ["mcp-server-time"]
env = { TZ = "UTC", WEATHER_API_KEY = "planted-weather" }
env_pass = ["LANG"]
confirmation = "never"
allowed_tools = ["get_*"]
timeout_s = 5
[tool_servers.files]
url = "http://127.0.0.1:9000/mcp"
token_env = "FILES_TOKEN"
headers = { X-Team = "planted-team" }
[tool_servers.files.tools."delete_*"]
confirmation = "required"
timeout_s = 7
[tool_servers.files.tools.delete_draft]
confirmation = "never"
[approvals]
confirmation = "required"
expires_s = 0
route = "family/42"
separate = true
[clients.supervisor]
token_env = "SUPERVISOR_TOKEN"
scopes = ["read", "approve"]
channels = ["family"]
[clients.stdio]
scopes = ["read"]
[engine]
max_turns = 8
model_calls = 5
tool_rounds = 4
work_s = 60
attempts = 2
""")
    config = home.load(
        "bridge.toml", FAMILY=BOT, HOOK=HOOK, FILES_TOKEN="planted-files", SUPERVISOR_TOKEN="planted-supervisor"
    )
    assert config.store_path == home.cwd / "data" / "chat.db"
    assert config.lock_path == home.cwd / "data" / "chat.db.engine.lock"
    model, script = config.models["default"], config.models["script"]
    assert (model.api_key, model.base_url, model.timeout_s) == ("sk-planted-key", "http://127.0.0.1:11434/v1", 30)
    assert (model.fallbacks, model.params) == (("anthropic/claude-sonnet-5",), {"temperature": 0.5})
    assert model.prices is not None
    assert model.prices.cost(1_000_000, 1_000_000, 400_000) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 8)
    assert script.prices is None
    assert script.script_path == home.cwd / "rules.toml"
    family, desk = config.rules.channels["family"], config.rules.channels["desk"]
    assert (family.responder, family.model, family.system_prompt) == ("assistant", "default", "You help a family.")
    assert (family.tool_servers, family.history_limit, family.late_after_s) == (("time",), 50, 60)
    assert (desk.responder, desk.model, desk.system_prompt, desk.tool_servers) == (
        "assistant", "script", "Be brief.", None,
    )  # fmt: skip
    assert config.channels["family"].settings == TelegramSettings(
        "family",
        BOT,
        "http://127.0.0.1:8081",
        poll_timeout_s=20,
        webhook=Webhook("https://bot.example/in", "127.0.0.1", 8443, secret=HOOK),
        hears_all=True,
    )
    assert (family.groups, family.group_mode("-5")) == ("mention", "mention")
    assert (family.group_mode("-100200"), family.group_mode("-100200/7"), family.group_mode("-100200/9")) == (
        "always", "observe", "always",
    )  # fmt: skip
    time, files = config.tool_servers
    assert (time.command, time.args, time.cwd, time.env_pass) == (
        "uvx", ("mcp-server-time",), str(home.cwd), ("LANG",),
    )  # fmt: skip
    assert (time.confirmation_of("get_time"), time.allows("set_time"), time.timeout_of("x")) == ("never", False, 5)
    assert files.headers == {"X-Team": "planted-team", "Authorization": "Bearer planted-files"}
    assert files.confirmation_of("delete_all") == "required"
    assert files.confirmation_of("delete_draft") == "never", "a plain name comes before a pattern"
    assert files.timeout_of("delete_all") == 7
    rules = config.rules
    asking = rules.asking
    assert (asking.confirmation, asking.expires_s, asking.route, rules.separate) == ("required", 0, "family/42", True)
    assert (rules.max_turns, rules.budget) == (8, Budget(5, 4, 60, attempts=2))
    (supervisor,) = config.clients
    assert (supervisor.name, supervisor.token) == ("supervisor", "planted-supervisor")
    assert (supervisor.scopes, supervisor.channels) == ({"read", "approve"}, {"family"})
    assert config.stdio.scopes == {"read"}


@pytest.mark.shows("config.no-secrets")
def test_secrets_are_known_and_in_no_repr(home: Home) -> None:
    home.write("""
[models.default]
model = "openai/x"
api_key_env = "MY_KEY"
[channels.family]
type = "telegram"
token_env = "FAMILY"
[tool_servers.s]
command = "x"
env = { API_KEY = "planted-env-key" }
[tool_servers.t]
url = "http://127.0.0.1:1/mcp"
headers_env = { X-Key = "HEADER_KEY" }
[clients.c]
token_env = "CLIENT"
""")
    env = {
        "MY_KEY": "planted-model-key",
        "FAMILY": BOT,
        "HEADER_KEY": "planted-header",
        "CLIENT": "planted-client-token",
        "ANTHROPIC_API_KEY": "planted-provider-key",
    }
    config = home.load("bridge.toml", **env)
    for secret in (*env.values(), "planted-env-key"):
        assert secret in config.secrets.values()
        assert secret not in repr(config)
    assert config.secrets["FAMILY"] == BOT


def test_a_file_with_a_byte_order_mark_is_read(home: Home) -> None:
    (home.cwd / "bridge.toml").write_bytes(b'\xef\xbb\xbf[approvals]\nconfirmation = "never"\n')
    assert home.load("bridge.toml").rules.asking.confirmation == "never"


def test_where_a_person_decides(home: Home) -> None:
    home.write("[clients.stdio]\nperson_decides = true\n[clients.desk]\ntoken_env = 'DESK'\nperson_decides = true\n")
    config = home.load("bridge.toml", DESK="a-token-that-is-long-enough-0123")
    assert config.stdio.person_decides
    assert config.stdio.scopes == {"read", "send", "approve", "tools"}, "a key adds to what holds without it"
    assert [client.person_decides for client in config.clients] == [True]


def test_what_a_model_is_asked_and_how_is_as_the_file_says(home: Home) -> None:
    home.write("""
[models.default]
model = "house"
base_url = "http://127.0.0.1:1/v1"
via = "litellm"
first_token_s = 5
stream = false
vision = true
pdf = false
context_tokens = 8000
reserve_tokens = 1000
[models.plain]
model = "openai/gpt-5-mini"
[models.played]
model = "scripted"
[channels.desk]
type = "local"
image_turns = 0
summarise = false
while_busy = "interrupt"
chat_context = false
timezone = "America/New_York"
[channels.plain]
type = "local"
model = "plain"
[channels.played]
type = "local"
model = "played"
[tool_servers.files]
command = "x"
instructions = true
""")
    config = home.load("bridge.toml")
    house, plain = config.models["default"], config.models["plain"]
    assert (house.via, house.first_token_s, house.stream, house.vision, house.pdf) == ("litellm", 5, False, True, False)
    assert (house.context_tokens, house.reserve_tokens) == (8000, 1000)
    assert (plain.via, plain.first_token_s, plain.stream, plain.vision, plain.pdf) == ("auto", 60, None, None, None)
    assert (plain.context_tokens, plain.reserve_tokens) == (None, None)
    rules = config.rules.channels
    assert rules["desk"].window == Window(8000, 1000, image_turns=0, summarise=False)
    assert (rules["desk"].while_busy, rules["desk"].chat_context, rules["desk"].timezone) == (
        "interrupt", False, "America/New_York",
    )  # fmt: skip
    assert rules["plain"].window == Window(None, None, image_turns=3, summarise=True)
    assert (rules["plain"].while_busy, rules["plain"].chat_context, rules["plain"].timezone) == ("join", True, "UTC")
    assert not rules["played"].window.summarise, "a scripted model sums nothing up"
    assert config.tool_servers[0].instructions


def test_a_route_may_be_several_places_and_agents_beside_chats_is_no_further_one(home: Home) -> None:
    home.write(
        """
[channels.local]
type = "local"
[approvals]
route = ["local/a", "agents", "local/b"]
[approvals.tools."one__*"]
route = "local/c"
[approvals.tools."two__*"]
route = ["agents"]
"""
    )
    rules = home.load("bridge.toml").rules
    policy = Policy(defaults=rules.asking, rules=rules.tools)
    asked = [policy.asking(f"{name}__x") for name in ("zero", "one", "two")]
    assert [(each.route, each.also_route) for each in asked] == [
        ("local/a", ("local/b",)),
        ("local/c", ()),
        ("agents", ()),
    ]


def test_a_reviewer_is_named_by_rules_and_by_sections_of_servers(home: Home) -> None:
    (home.cwd / "policy.md").write_text("Be careful.", "utf-8")
    home.write(
        """
[models.small]
model = "scripted"
[channels.local]
type = "local"
[tool_servers.files]
command = "files"
review = { model = "small", policy = "policy.md" }
[tool_servers.files.tools."delete_*"]
confirmation = "required"
[tool_servers.files.tools.put]
confirmation = "required"
review = { model = "small", policy = "policy.md", may = "approve", per_minute = 3 }
[tool_servers.files.tools.get]
review = false
"""
    )
    rules = home.load("bridge.toml").rules
    names = ("list", "delete_all", "put", "get")
    tools = {f"files__{name}": ToolSpec(f"files__{name}", "files", name, description="", schema="{}") for name in names}
    policy = Policy(tools=tools, rules=rules.tools)
    path = str(home.cwd / "policy.md")
    assert [policy.asking(name).review for name in tools] == [
        Reviewer("small", path),
        None,
        Reviewer("small", path, "approve", per_minute=3),
        None,
    ]
    assert any("policy.md" in place for place in rules.own_places), "whoever changes it decides on calls"


def test_a_reviewer_without_its_model_or_its_policy_is_a_mistake(home: Home) -> None:
    home.write("[channels.local]\ntype = 'local'\n[approvals]\nreview = { model = 'small', policy = 'none.md' }\n")
    with pytest.raises(ConfigError) as caught:
        home.load("bridge.toml")
    assert "approvals.review.model" in str(caught.value)
    assert "approvals.review.policy" in str(caught.value)
