"""The set-up of the demo: a temporary folder with files, a configuration, a script for the model, and a state folder.

Knows nothing of what is played.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

import bridge_mcp

__all__ = ["BACKUP", "CONVERSATION", "KEPT", "OUTDATED", "Stage", "set_stage"]

CONVERSATION = "home/main"
OUTDATED = "report-2019-draft.txt"
BACKUP = "backup.zip"
KEPT = "recipes.txt"

FILES = {
    KEPT: "Pancakes: flour, milk, eggs.\n",
    OUTDATED: "A draft of a report that was sent long ago.\n",
    BACKUP: "An old backup.\n",
}

CONFIG = """\
[models.default]
model = "scripted"            # rules instead of a provider: no key, no network
script = "script.toml"

[channels.home]
type = "local"
responder = "assistant"

[tool_servers.files]
command = {python}
args = ["-m", "bridge_mcp.demo_files_server", {files}, "--count", {effects}]
env_pass = ["PYTHONPATH"]

[approvals]
confirmation = "by-annotation"
"""

SCRIPT = """\
[[rule]]
when = "(?i)tidy up"
say = "I look at what is there."
call = [{ tool = "files__list_files" }]

[[rule]]
on = "result"
tool = "files__list_files"
when = '(?P<file>\\S+-draft\\.txt)'
say = "{file} is outdated. I would like to delete it."
call = [{ tool = "files__delete_file", arguments = { path = "{file}" } }]

[[rule]]
when = '(?i)delete (?P<file>\\S+\\.\\w+)'
say = "I would like to delete {file}."
call = [{ tool = "files__delete_file", arguments = { path = "{file}" } }]

[[rule]]
on = "result"
tool = "files__delete_file"
when = '^Deleted (?P<file>.+)\\.$'
say = "Done: {file} is gone, and nothing else was touched."

[default]
say = "(scripted) {text}"
"""


class Stage(Struct, frozen=True):
    """The folders and files."""

    root: Path

    @property
    def files(self) -> Path:
        """What the nested server serves."""
        return self.root / "files"

    @property
    def config(self) -> Path:
        """Its bridge.toml."""
        return self.root / "bridge.toml"

    @property
    def log(self) -> Path:
        """What the bridge says on standard error."""
        return self.root / "bridge.log"

    def effects(self) -> list[str]:
        """What the nested server has really done, one line per effect, as it counted itself."""
        counted = self.root / "effects"
        return counted.read_text("utf-8").splitlines() if counted.exists() else []

    def environment(self) -> dict[str, str]:
        """What the bridge's processes are given beside the plain basics: nothing of the user's own bridge."""
        source = str(Path(bridge_mcp.__file__).parent.parent)
        paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"BRIDGE_MCP_STATE_DIR": str(self.root / "state"), "PYTHONPATH": os.pathsep.join(paths)}

    def processes(self) -> list[int]:
        """Processes that still work here, by the folder in their command line; where the system tells."""
        mark = os.fsencode(self.root)
        pids: list[int] = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if mark in entry.read_bytes():
                    pids.append(int(entry.parent.name))
            except OSError:
                continue  # it ended while we looked
        return [pid for pid in pids if pid != os.getpid()]


@contextmanager
def set_stage() -> Generator[Stage]:
    """Make the temporary folder, and remove it in the end."""
    with TemporaryDirectory(prefix="bridge-mcp-demo-", ignore_cleanup_errors=True) as folder:
        stage = Stage(Path(folder).resolve())
        stage.files.mkdir()
        for name, text in FILES.items():
            (stage.files / name).write_text(text, "utf-8")
        (stage.root / "script.toml").write_text(SCRIPT, "utf-8")
        quoted = {"python": sys.executable, "files": str(stage.files), "effects": str(stage.root / "effects")}
        stage.config.write_text(CONFIG.format(**{key: toml_text(value) for key, value in quoted.items()}), "utf-8")
        yield stage


def toml_text(value: str) -> str:
    """A TOML string; JSON's escapes are TOML's."""
    return json.dumps(value, ensure_ascii=False)
