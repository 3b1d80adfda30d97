"""What a nested server was given and says again: its secrets are in no error, log, status or result."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from bridge_mcp.config.load import load_config
from bridge_mcp.toolservers.settings import ToolServer
from tests.servers.launch import module, opened

TOKEN = "planted-0123456789"
ORGANIZATION = "acme-industries"
KEY = "-----BEGIN KEY-----\nc2VjcmV0LW9mLXRoZS1rZXk\n-----END KEY-----"
NAMES = ("PLANTED_TOKEN", "PLANTED_ORGANIZATION", "PLANTED_PRIVATE_KEY", "PLANTED_DATABASE", "PLANTED_FLAG")


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    values = (TOKEN, ORGANIZATION, KEY, "postgres://me:hunter2-and-more@db/x", "on")
    for name, value in zip(NAMES, values, strict=True):
        monkeypatch.setenv(name, value)


DIES = """
import os, sys
for name in sys.argv[1:]:
    for line in os.environ[name].splitlines():
        print(f"error: refused {line}", file=sys.stderr)
sys.exit(f"fatal error: cannot log in with {os.environ['PLANTED_TOKEN']}, the flag is on")
"""


@pytest.mark.shows("tool-servers.secrets")
async def test_a_server_that_dies_with_its_secrets_on_its_lips(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bridge_mcp")
    server = ToolServer("dies", command=sys.executable, args=("-c", DIES, *NAMES), env_pass=NAMES)
    async with opened(server, pause_s=3600) as at:
        assert "cannot log in with ***, the flag is on" in at.error("dies")
        told = at.error("dies") + caplog.text
    assert "refused ***" in told
    for secret in (TOKEN, ORGANIZATION, *KEY.splitlines(), "hunter2"):
        assert secret not in told


async def test_a_result_comes_without_secrets_and_with_everything_else() -> None:
    server = module("workbench", env={"API_KEY": "sk-own-0123456789", "LEVEL": "information"}, env_pass=NAMES)
    async with opened(server) as at:
        said = await at.text("echo", text=f"{TOKEN} of {ORGANIZATION}: information, sk-own-0123456789, on")
        assert said == f"*** of {ORGANIZATION}: information, ***, on"


def test_forms_of_a_secret_and_what_is_none() -> None:
    server = ToolServer("x", command="x", env={"A_TOKEN": 'with "quotes"/slash', "B_KEY": "12345678", "C_KEY": "short"})
    assert server.scrub_result('{"a": "with \\"quotes\\"/slash"}') == '{"a": "***"}'
    assert server.scrub_result("?t=with%20%22quotes%22%2Fslash&short") == "?t=***&short"
    assert server.scrub("no secret here, not even a short one") == "no secret here, not even a short one"


def test_logs_of_the_process_know_what_is_passed_on(tmp_path: Path) -> None:
    file = tmp_path / "bridge.toml"
    passed = ", ".join(f'"{name}"' for name in (*NAMES, "LANG"))
    file.write_text(f'[tool_servers.x]\ncommand = "x"\nenv_pass = [{passed}]\n', "utf-8")
    env = {"PLANTED_TOKEN": TOKEN, "PLANTED_ORGANIZATION": ORGANIZATION, "LANG": "en_US.UTF-8", "HOME": str(tmp_path)}
    config = load_config(file, env=env)
    assert {TOKEN, ORGANIZATION} <= set(config.secrets.values())
    assert "en_US.UTF-8" not in config.secrets.values()
