"""`bridge-mcp` as another version: python -m tests.acceptance.other_version VERSION [--migrates] ARGUMENT...

A release from the history would need an environment of its own. This is the command as it is, which calls itself that
version; with `--migrates` it brings a store on Postgres to a schema that this version does not know.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import bridge_mcp
from bridge_mcp.cli import main
from bridge_mcp.stores.postgres import migrate

LATER = "CREATE TABLE later (id bigint PRIMARY KEY);"


def become(version: str) -> None:
    """Have all that is loaded, and all that will be, know this version."""
    own = bridge_mcp.__version__
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "bridge_mcp" and getattr(module, "__version__", None) == own:
            setattr(module, "__version__", version)  # noqa: B010 - not every module has one


def know_later(folder: Path) -> None:
    """Have one migration more."""
    files = migrate.migrations()
    later = folder / f"{len(files) + 1:04}_later.sql"
    later.write_text(LATER, "utf-8")
    migrate.migrations = lambda: (*files, later)


if __name__ == "__main__":
    become(sys.argv[1])
    arguments = sys.argv[2:]
    with tempfile.TemporaryDirectory() as made:
        if arguments[0] == "--migrates":
            know_later(Path(made))
            arguments = arguments[1:]
        code = main(arguments)
    sys.exit(code)
