"""Where a hook finds the store on Postgres without the whole configuration: just where the configuration says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.config import load_config
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.hooks.store_files import database_url

NEAR, FAR = "postgresql://me:secret-0123456789@localhost/db", "postgresql://me@10.0.0.5/db"


def told(folder: Path, text: str, **env: str) -> tuple[str, str]:
    """What the hook finds, and what the configuration says; "" where there is no such database, or it is refused."""
    file = folder / "bridge.toml"
    file.write_text(text, "utf-8")
    there = {"BRIDGE_MCP_STATE_DIR": str(folder / "state"), "HOME": str(folder), **env}
    try:
        store = load_config(file, env=there, cwd=folder).store
    except ConfigError:
        return database_url(str(file), there), ""
    return database_url(str(file), there), store.url if store.is_postgres else ""


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ('[store]\nurl = "postgresql:///db?host=/run/postgresql"\n', {}),
        ('[store]\nurl_env = "U"\n', {"U": f" {NEAR}\n"}),
        ('[store]\nurl_file = "url"\ndirect_url_env = "V"\n', {"V": NEAR}),
        (f'[store]\nurl = "{FAR}"\n', {"PGSSLMODE": "require"}),
        (f'[store]\nurl = "{FAR}?sslmode=disable"\n', {}),
    ],
)
def test_it_is_where_the_configuration_says(tmp_path: Path, text: str, env: dict[str, str]) -> None:
    (tmp_path / "url").write_text(f"{NEAR}\n", "utf-8")
    found, said = told(tmp_path, text, **env)
    assert found == said != ""


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ("", {}),
        ("[store", {}),
        ("store = 5\n", {}),
        ('[store]\nurl = "sqlite:///other.db"\n', {}),
        (f'[store]\nurl = "{NEAR}"\n', {}),  # a password in the file
        (f'[store]\nurl = "{FAR}"\n', {}),  # to another machine without TLS
        ('[store]\nurl = "postgresql:///db"\n', {"PGHOST": "10.0.0.5"}),
        ('[store]\nurl = "postgresql:///db"\nurl_env = "U"\n', {"U": NEAR}),
        ('[store]\nurl_env = "U"\n', {}),
        ('[store]\nurl_file = "nowhere"\n', {}),
        ('[store]\nurl_env = "U"\n', {"U": "postgresql://[::1/db"}),
    ],
)
def test_what_is_none_or_is_refused_is_left_to_whoever_reads_all_of_it(
    tmp_path: Path, text: str, env: dict[str, str]
) -> None:
    assert told(tmp_path, text, **env) == ("", "")


def test_a_configuration_that_others_can_write_is_not_gone_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    file = tmp_path / "config" / "bridge-mcp" / "bridge.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[store]\nurl = "postgresql:///db"\n', "utf-8")
    assert database_url(None, env) == "postgresql:///db"
    file.chmod(0o666)
    with pytest.raises(ConfigError, match="can be written by everybody"):
        database_url(None, env)
