"""What the README says of the configuration is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from bridge_mcp.config import load_config, schema

README = Path(__file__).parents[2] / "README.md"
SECTIONS: dict[str, type[BaseModel]] = {
    "[models.NAME]": schema.ModelSection,
    "[channels.NAME]": schema.Channel,
    '[channels.NAME.chats."ID"]': schema.Chat,
    "[tool_servers.NAME]": schema.ToolServer,
    '[tool_servers.NAME.tools."PATTERN"]': schema.ToolShape,
    "[approvals]": schema.Approvals,
    "[clients.NAME]": schema.Client,
    "[http]": schema.Http,
    "[engine]": schema.Engine,
    "[store]": schema.Store,
}


def test_its_example_is_a_configuration(tmp_path: Path) -> None:
    (found,) = re.findall(r"```toml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (tmp_path / "bridge.toml").write_text(found, "utf-8")
    (tmp_path / "house.md").write_text("Be kind.", "utf-8")
    named: set[str] = set(re.findall(r'_env = "(\w+)"', found))
    env = dict.fromkeys(named, "a-secret-long-enough") | {"HOME": str(tmp_path)}
    config = load_config("bridge.toml", env=env | {"BRIDGE_MCP_STATE_DIR": str(tmp_path / "state")}, cwd=tmp_path)
    assert set(config.models) == set(tomllib.loads(found)["models"])
    assert config.rules.channels["local"].system_prompt == "Be kind."


@pytest.mark.parametrize("section", SECTIONS)
def test_its_table_of_keys_names_keys_there_are(section: str) -> None:
    row = next(line for line in README.read_text("utf-8").splitlines() if line.startswith(f"| `{section}` |"))
    keys = re.findall(r"`(\w+)`", row.split("|")[2])
    assert keys
    assert set(keys) <= set(SECTIONS[section].model_fields)
