"""What the README says of the configuration is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bridge_mcp.config import load_config
from bridge_mcp.reference.config import sections

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.mark.shows("config.readme")
def test_its_blocks_are_one_configuration(tmp_path: Path) -> None:
    found = "\n".join(re.findall(r"```toml\n(.*?)```", README, re.DOTALL))
    (tmp_path / "bridge.toml").write_text(found, "utf-8")
    (tmp_path / "house.md").write_text("Be kind.", "utf-8")
    (tmp_path / "policy.md").write_text("Notes may be changed.", "utf-8")
    named: set[str] = set(re.findall(r'_env = "(\w+)"', found))
    env = {name: f"{name}-a-secret-long-enough" for name in named} | {
        "HOME": str(tmp_path),
        "TELEGRAM_BOT_TOKEN": "1:abc",
        "DISCORD_BOT_TOKEN": "MTIz.planted.token",
        "SLACK_BOT_TOKEN": "xoxb-planted-token",
        "SLACK_APP_TOKEN": "xapp-planted-token",
    }
    config = load_config("bridge.toml", env=env | {"BRIDGE_MCP_STATE_DIR": str(tmp_path / "state")}, cwd=tmp_path)
    assert set(config.models) == set(tomllib.loads(found)["models"])
    assert config.rules.channels["local"].system_prompt == "Be kind."


def test_the_keys_that_its_text_names_are_there() -> None:
    known = {key for cls in sections() for key in cls.model_fields}
    others = {"remember_arguments", "required"}  # an argument of a tool; a key of a host's own settings
    said = set(re.findall(r"`(\w+) = ", README)) - others
    assert {"groups", "person_decides", "instructions"} <= said
    assert said - known == set()
