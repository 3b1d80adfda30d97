"""[store]: a file or a database, by a URL that holds no password, or by the name of one that does."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest
from psycopg import conninfo

from bridge_mcp.config import Config, load_config
from bridge_mcp.config.load import complaint
from bridge_mcp.core.errors import ConfigError

SECRET = "planted-password-0123456789"
FAR = f"postgresql://bridge:{SECRET}@db.example.org:5432/bridge"


def load(folder: Path, text: str, **env: str) -> Config:
    file = folder / "bridge.toml"
    file.write_text(text, "utf-8")
    return load_config(
        file, env={"BRIDGE_MCP_STATE_DIR": str(folder / "state"), "HOME": str(folder), **env}, cwd=folder
    )


@pytest.mark.shows("store.postgres-secrets")
@pytest.mark.parametrize("way", ["env", "file"])
def test_a_url_with_a_password_comes_by_its_name_and_is_shown_nowhere(tmp_path: Path, way: str) -> None:
    url = f"{FAR}?sslmode=verify-full"
    (tmp_path / "url").write_text(url + "\n", "utf-8")
    named = {"env": 'url_env = "STORE_URL"', "file": 'url_file = "url"'}[way]
    config = load(tmp_path, f"[store]\n{named}\n", STORE_URL=url)
    assert config.store.is_postgres
    assert (config.store.url, config.store.direct) == (url, url)
    assert config.store.shown == "postgresql://bridge@db.example.org:5432/bridge"
    assert SECRET not in repr(config)
    assert SECRET in config.secrets.values(), "so that logs show a name in its place"
    with pytest.raises(ConfigError, match="a store that is a file") as caught:
        _ = config.store_path
    assert SECRET not in str(caught.value)
    for path in (config.lock_path, config.callers_path, config.drafts_path):
        assert path.parent == config.state_dir


@pytest.mark.shows("store.postgres-secrets")
def test_a_password_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for url in (f"{FAR}?sslmode=require", f"postgresql:///bridge?password={SECRET}"):
        with pytest.raises(ConfigError, match="a password stands in the file") as caught:
            load(tmp_path, f'[store]\nurl = "{url}"\n')
        assert SECRET not in str(caught.value)


@pytest.mark.shows("store.postgres-tls")
@pytest.mark.parametrize(
    ("url", "open_to"),
    [
        ("postgresql://me@localhost/db", ()),
        ("postgresql://me@127.0.0.1:5433/db", ()),
        ("postgresql://me@[::1]:5433/db", ()),
        ("postgresql:///db?host=/var/run/postgresql", ()),
        ("postgresql:///db", ()),
        ("postgresql://db.example.org/db?sslmode=verify-full&sslrootcert=/etc/ca.pem", ()),
        ("postgresql://db.example.org/db?sslmode=require", ()),
        ("postgresql://me@postgres/db?sslmode=disable", ("postgres",)),
        ("postgresql://a,b:5433/db?sslmode=disable", ("a", "b:5433")),
    ],
)
def test_beyond_this_machine_the_way_is_encrypted_or_said_to_be_open(
    tmp_path: Path, url: str, open_to: tuple[str, ...]
) -> None:
    assert load(tmp_path, f'[store]\nurl = "{url}"\n').store.open_to == open_to


@pytest.mark.shows("store.postgres-tls")
@pytest.mark.parametrize("mode", ["", "?sslmode=prefer", "?sslmode=allow"])
def test_else_it_is_refused(tmp_path: Path, mode: str) -> None:
    with pytest.raises(ConfigError, match="sslmode=verify-full"):
        load(tmp_path, f'[store]\nurl = "postgresql://me@10.0.0.5/db{mode}"\n')


def test_the_environment_may_say_how_it_is_encrypted(tmp_path: Path) -> None:
    text = '[store]\nurl = "postgresql://me@10.0.0.5/db"\n'
    assert load(tmp_path, text, PGSSLMODE="verify-full").store.open_to == ()


def test_the_way_around_a_pooler_has_a_url_of_its_own(tmp_path: Path) -> None:
    text = '[store]\nurl_env = "POOLED"\ndirect_url_env = "DIRECT"\nreads_at_once = 9\n'
    direct = "postgresql://bridge@localhost:5432/bridge"
    config = load(tmp_path, text, POOLED="postgresql://bridge@localhost:6432/bridge", DIRECT=direct)
    assert (config.store.direct, config.store.shown) == (direct, "postgresql://bridge@localhost:6432/bridge")
    assert config.store.reads_at_once == 9


def test_a_name_that_leads_to_nothing_leads_to_no_other_store(tmp_path: Path) -> None:
    config = load(tmp_path, '[store]\nurl_env = "NOBODY_SET_IT"\n')
    assert not config.store.is_postgres
    with pytest.raises(ConfigError, match="NOBODY_SET_IT is not set"):
        _ = config.store_path
    assert complaint('[store]\nurl_env = "NOBODY_SET_IT"\n', tmp_path) == ""


@pytest.mark.parametrize(
    ("query", "env"),
    [
        ("?host=localhost&hostaddr=203.0.113.5", {}),
        ("", {"PGHOST": "db.example.org"}),
        ("?host=localhost", {"PGHOSTADDR": "203.0.113.5"}),
    ],
)
def test_what_libpq_takes_for_the_host_is_looked_at(tmp_path: Path, query: str, env: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="is another machine"):
        load(tmp_path, f'[store]\nurl = "postgresql:///db{query}"\n', **env)
    with pytest.raises(ConfigError, match="is another machine"):
        load(tmp_path, '[store]\nurl_env = "U"\n', U=f"postgresql:///db{query}", **env)


@pytest.mark.shows("store.postgres-secrets")
@pytest.mark.parametrize(
    ("secret", "how"),
    [("ha#sh-pass", "reads"), ("quest?ion-pass", "reads"), ("co:lon[pass]", "reads"), ("per%2Fcent+pass", "reads"),
     ("sla/sh-pass", "refuses"), ("at@sign-pass", "refuses"), ("sla/sh?and@both-pass", "refuses")],
)  # fmt: skip
def test_special_characters_of_a_password_are_read_as_libpq_does_or_refused_and_shown_nowhere(
    tmp_path: Path, secret: str, how: str
) -> None:
    """What would be taken for a host or a database stood in answers and errors."""
    url = f"postgresql://bridge:{secret}@127.0.0.1:5432/bridge?application_name=a+b"
    text = '[store]\nurl_env = "U"\n'
    if how == "reads":
        config = load(tmp_path, text, U=url)
        assert config.store.shown == "postgresql://bridge@127.0.0.1:5432/bridge"
        assert unquote(secret) in config.secrets.values()
        assert conninfo.conninfo_to_dict(url)["password"] == unquote(secret)
    else:
        with pytest.raises(ConfigError, match="in percent form: %2F for /") as caught:
            load(tmp_path, text, U=url)
        assert "pass" not in str(caught.value).replace("password", "")
