"""Commands that set the bridge up: init, migrate."""

from __future__ import annotations

import os
from pathlib import Path

from bridge_mcp.cli.common import USUAL, Common
from bridge_mcp.cli.output import console
from bridge_mcp.config import CONFIG_NAME
from bridge_mcp.config.template import TEMPLATE
from bridge_mcp.core.errors import BadInput

__all__ = ["init", "migrate"]


def init(path: Path = Path(CONFIG_NAME), /) -> int:
    """Write a commented bridge.toml; a file that is there is left as it is.

    Parameters
    ----------
    path
        Where to write it.
    """
    target = path / CONFIG_NAME if path.is_dir() else path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        raise BadInput(f"{target} is there already.", fix="Edit it, or name another file.") from None
    except OSError as exc:
        raise BadInput(f"{target} cannot be written: {exc.strerror}.", fix="Name another file.") from exc
    named = "" if target == Path(CONFIG_NAME) else f"--config {target} "
    console().print(f"Wrote {target}. Edit it, then run: bridge-mcp {named}check")
    return 0


def migrate(*, common: Common = USUAL) -> int:
    """Bring the store to this version's schema, or make it. Nothing is lost; newer stores are refused."""
    from bridge_mcp.stores.sqlite.migrate import migrate as bring
    from bridge_mcp.stores.sqlite.migrate import migrations, schema_version

    config = common.prepare()
    path = config.store_path
    before = schema_version(path)
    bring(path)
    after = len(migrations())
    what = (
        f"was at schema version {before}, and is at {after} now" if before != after else f"is at schema version {after}"
    )
    console().print(f"The store {path} {what if before is not None else f'is new, at schema version {after}'}.")
    return 0
