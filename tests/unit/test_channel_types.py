"""Types of channels: found by their name, loaded only when a config names them, from whichever package brings them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bridge_mcp.channels.registry import BUILT_IN, plug, type_names
from bridge_mcp.config import Config, load_config
from bridge_mcp.core.errors import ConfigError

SOURCE = """
from bridge_mcp.channels.local import LocalChannel
from bridge_mcp.channels.plug import ChannelType, Keys, Text

class FaxKeys(Keys):
    number: Text
    pin_env: Text | None = None

def check(section, keys):
    if not section.number.isdigit():
        keys.problem("number", "this is not a number.", "Write digits.")
    return (keys.name, section.number, keys.secret("pin"), keys.secret("other"))

TYPE = ChannelType(FaxKeys, check, lambda settings, given: LocalChannel(settings[0]), user_id="[a-z]+")
"""

SECTION = '[channels.office]\ntype = "fax"\nnumber = "42"\npin_env = "PIN"\n'


def install(site: Path, name: str, version: str, points: str) -> None:
    """A package as pip leaves it: its metadata with entry points."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[bridge_mcp.channels]\n{points}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, for packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.delitem(sys.modules, "fax_channel", raising=False)
    plug.cache_clear()
    return folder


def loaded(tmp_path: Path, text: str, **env: str) -> Config:
    file = tmp_path / "bridge.toml"
    file.write_text(text)
    return load_config(file, env={"BRIDGE_MCP_STATE_DIR": str(tmp_path / "state")} | env, cwd=tmp_path)


@pytest.mark.shows("chats.plug")
def test_a_package_brings_a_type(site: Path, tmp_path: Path) -> None:
    install(site, "bridge-fax", "1.2", "fax = fax_channel:TYPE")
    (site / "fax_channel.py").write_text(SOURCE)
    assert "fax" in type_names()
    assert "fax_channel" not in sys.modules, "names are listed without loading anything"
    assert loaded(tmp_path, '[channels.here]\ntype = "local"\n')
    assert "fax_channel" not in sys.modules, "no config named it"
    config = loaded(tmp_path, SECTION + 'responder = "relay"\n', PIN="12345678")
    office = config.channels["office"]
    assert office.plug.distribution == "bridge-fax 1.2"
    assert config.rules.channels["office"].distribution == "bridge-fax 1.2"
    assert office.settings == ("office", "42", "12345678", "")
    assert "12345678" in config.secrets.values(), "logs hide it"


@pytest.mark.shows("chats.plug-secrets")
def test_a_type_gets_the_secrets_that_its_section_names(site: Path, tmp_path: Path) -> None:
    install(site, "bridge-fax", "1.2", "fax = fax_channel:TYPE")
    (site / "fax_channel.py").write_text(SOURCE)
    config = loaded(tmp_path, '[channels.office]\ntype = "fax"\nnumber = "42"\n', PIN="12345678", OTHER="secret")
    assert config.channels["office"].settings == ("office", "42", "", "")


def test_its_keys_are_checked_as_all_others(site: Path, tmp_path: Path) -> None:
    install(site, "bridge-fax", "1.2", "fax = fax_channel:TYPE")
    (site / "fax_channel.py").write_text(SOURCE)
    for text, words in (
        (SECTION + 'nmber = "1"\n', "channels.office.nmber (line 5): there is no such key. Did you mean 'number'?"),
        (SECTION.replace('"42"', "42"), "channels.office.number (line 3)"),
        (SECTION.replace("42", "x"), "channels.office.number: this is not a number. Write digits."),
        (SECTION + 'responder = "nobody"\n', "channels.office.responder (line 5)"),
        (SECTION + '[people.ann]\nprincipals = ["office:7"]\n', "'7' is not a user's id"),
    ):
        with pytest.raises(ConfigError) as failure:
            loaded(tmp_path, text, PIN="12345678")
        assert words in str(failure.value)
    assert loaded(tmp_path, SECTION + '[people.ann]\nprincipals = ["office:ann"]\n', PIN="12345678")


@pytest.mark.shows("chats.plug-built-in")
def test_no_package_takes_the_place_of_a_built_in_type(site: Path) -> None:
    install(site, "bridge-evil", "6.6", "\n".join(f"{name} = fax_channel:TYPE" for name in BUILT_IN))
    (site / "fax_channel.py").write_text("raise SystemExit")
    assert [plug(name).distribution for name in BUILT_IN] == [""] * len(BUILT_IN)
    assert type_names()[: len(BUILT_IN)] == list(BUILT_IN)
    assert "fax_channel" not in sys.modules


@pytest.mark.shows("chats.plug-broken")
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_library", "bridge-fax 1.2 brings the type 'fax', and cannot be loaded: ModuleNotFoundError"),
        ("raise SystemExit", "bridge-fax 1.2 brings the type 'fax', and cannot be loaded: SystemExit"),
        ("TYPE = 1", "bridge-fax 1.2 brings the type 'fax' as 'fax_channel:TYPE', which is no ChannelType"),
        (SOURCE + "TYPE = ChannelType(Text, check, check)", "as 'fax_channel:TYPE', which is no ChannelType"),
        (SOURCE + "TYPE = ChannelType(FaxKeys, 1, check)", "as 'fax_channel:TYPE', which is no ChannelType"),
        (SOURCE.replace("[a-z]+", "["), "as 'fax_channel:TYPE', which is no ChannelType"),
        (SOURCE.replace("number", "model"), "keys that every channel has: model"),
        (SOURCE.replace("if not section", "if not no_such_name"), "bridge-fax 1.2 failed to read it: NameError"),
    ],
)
def test_a_package_that_is_broken_is_named(site: Path, tmp_path: Path, source: str, words: str) -> None:
    install(site, "bridge-fax", "1.2", "fax = fax_channel:TYPE")
    (site / "fax_channel.py").write_text(source)
    with pytest.raises(ConfigError) as failure:
        loaded(tmp_path, SECTION, PIN="12345678")
    assert words in str(failure.value)


def test_two_packages_with_one_type_are_both_named(site: Path, tmp_path: Path) -> None:
    install(site, "bridge-fax", "1.2", "fax = fax_channel:TYPE")
    install(site, "other-fax", "3", "fax = other:TYPE")
    with pytest.raises(ConfigError) as failure:
        loaded(tmp_path, SECTION)
    assert "bridge-fax 1.2 and other-fax 3" in str(failure.value)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_type_is_made_without_the_library_of_any_platform(name: str) -> None:
    """Nor does naming one type load another's module."""
    heavy = {"telegram", "httpx", "slack_sdk", "slack_bolt", "discord", "aiohttp", "nio"}
    code = (
        f"import sys; from bridge_mcp.channels.registry import BUILT_IN, plug; plug({name!r});"
        f"others = {{each.where.partition(':')[0] for one, each in BUILT_IN.items() if one != {name!r}}};"
        f"print((others | {heavy!r}) & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "a slack channel needs a bot token"),
        ('bot_token_env = "B"\n', "it has no way for events to come in"),
        ('bot_token_env = "B"\napp_token_env = "B"\n', "channels.w.app_token: this is not an app's token"),
        ('bot_token_env = "A"\napp_token_env = "A"\n', "channels.w.bot_token: this is not a bot's token"),
        ('bot_token_env = "B"\napp_token_env = "A"\nlisten = "x:1"\n', "Take Socket Mode (app_token_env) or posts"),
        ('bot_token_env = "B"\nlisten = "127.0.0.1:1"\n', "signing_secret_env is missing"),
        ('bot_token_env = "B"\napp_token_env = "A"\nsigning_secret_env = "A"\n', "no posts are taken"),
        ('bot_token_env = "B"\napp_token_env = "A"\n[channels.w.chats."12"]\ngroups = "always"\n', "not a chat's id"),
    ],
)
def test_what_a_slack_channel_lacks_is_told_with_the_fix(tmp_path: Path, lines: str, words: str) -> None:
    with pytest.raises(ConfigError) as failure:
        loaded(tmp_path, f'[channels.w]\ntype = "slack"\n{lines}', B="xoxb-12345678", A="xapp-12345678")
    assert words in str(failure.value)


def test_two_variables_bring_a_slack_channel(tmp_path: Path) -> None:
    env = {"BRIDGE_MCP_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    tokens = {"SLACK_BOT_TOKEN": "xoxb-12345678", "SLACK_APP_TOKEN": "xapp-12345678"}
    assert "slack" in load_config(env=env | tokens, cwd=tmp_path).channels
    assert "slack" not in load_config(env=env | {"SLACK_BOT_TOKEN": "xoxb-12345678"}, cwd=tmp_path).channels
