"""The bridge that every host meets: a chat whose assistant follows a script, files to delete, and a picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path

__all__ = ["COMMAND", "CONVERSATION", "DOOMED", "set_up"]

COMMAND = str(Path(sys.executable).with_name("bridge-mcp"))
ROOT = Path(__file__).resolve().parents[2]
CONVERSATION = "home/main"
DOOMED = "backup.zip"

CONFIG = """\
[models.default]
model = "scripted"
script = "script.toml"

[channels.home]
type = "local"
responder = "assistant"

[tool_servers.files]
command = {python}
args = ["-m", "bridge_mcp.demo_files_server", {files}]
cwd = {root}

[tool_servers.pictures]
command = {python}
args = [{pictures}]
"""

SCRIPT = """\
[[rule]]
when = '(?i)delete (?P<file>\\S+\\.\\w+)'
call = [{ tool = "files__delete_file", arguments = { path = "{file}" } }]

[[rule]]
on = "result"
when = '^Deleted (?P<file>.+)\\.$'
say = "Done: {file} is gone."

[default]
say = "(scripted) {text}"
"""


def set_up(folder: Path) -> dict[str, str]:
    """Write config, script and files below a folder; the environment that the bridge needs."""
    files = folder / "files"
    files.mkdir(parents=True)
    (files / DOOMED).write_text("An old backup.\n", "utf-8")
    pictures = ROOT / "tests" / "cases" / "servers" / "21-images.py"
    told = {"python": sys.executable, "files": str(files), "root": str(ROOT), "pictures": str(pictures)}
    text = CONFIG.format(**{name: json.dumps(value) for name, value in told.items()})
    (folder / "bridge.toml").write_text(text, "utf-8")
    (folder / "script.toml").write_text(SCRIPT, "utf-8")
    return {"BRIDGE_MCP_CONFIG": str(folder / "bridge.toml"), "BRIDGE_MCP_STATE_DIR": str(folder / "state")}
