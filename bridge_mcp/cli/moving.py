"""The move of a whole bridge from one store to another: what `migrate --from … --to …` does."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from rich.text import Text

from bridge_mcp.cli.keeping import bars
from bridge_mcp.cli.output import console
from bridge_mcp.cli.texts import keeping as texts
from bridge_mcp.config import Config, working_folder
from bridge_mcp.config.values import files_beside, lock_beside
from bridge_mcp.core.database_url import ENCODED, POSTGRES, taken_apart
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.safe_text import visible

__all__ = ["moved"]

SQLITE = "sqlite:///"


def moved(config: Config, source: str, target: str) -> int:
    """Move the bridge; 0 once all of it is there, 1 where something has arrived otherwise.

    Raises:
        BadInput: a URL is none, or holds a password; there is nothing to move, or something in its way.
        ConfigError: the driver of Postgres is missing.
        StoreError: something works with one of the stores, or it failed.
    """
    from bridge_mcp.engine_lock import PulseFile, owner_of
    from bridge_mcp.stores.opening import need_driver

    ends = url_of(source, "--from"), url_of(target, "--to")
    if ends[0] == ends[1]:
        raise BadInput("--from and --to are the same store.", fix="Name another one.")
    need_driver()
    from bridge_mcp.stores.moving.contents import DatabaseFiles, FolderFiles, end_of, faults, index_words
    from bridge_mcp.stores.moving.move import Move

    def files(url: str) -> FolderFiles | DatabaseFiles:
        if not url.startswith(SQLITE):
            return DatabaseFiles(url)
        return FolderFiles(files_beside(Path(url.removeprefix(SQLITE)), config.state_dir))

    began = time.monotonic()
    with ExitStack() as stack:
        for url in ends:
            if url.startswith(SQLITE):
                check_folder(Path(url.removeprefix(SQLITE)), there=url == ends[0])
                lock = lock_beside(Path(url.removeprefix(SQLITE)), config.state_dir)
                stack.enter_context(owner_of(lock, PulseFile(lock), texts.ENGINE_RUNS, texts.END_IT_UNCHANGED))
        progress = stack.enter_context(bars())
        move = Move(
            end_of(ends[0]), end_of(ends[1]), (files(ends[0]), files(ends[1])),
            index=index_words, verify=faults, progress=lambda stage, done, of: progress(texts.moving(stage), done, of),
        )  # fmt: skip
        result = move.run()
    out, err = console(), console(stderr=True)
    for line in result.wrong:
        err.print(Text(f"✗ {visible(line)}", "red"))
    if result.wrong:
        err.print(Text(texts.NOT_MOVED, "red"))
        return 1
    contents = texts.contents(result.conversations, result.entries)
    out.print(texts.moved(contents, result.rows, files=result.files, seconds=time.monotonic() - began))
    err.print(Text(f"✓ {texts.LOGS_ARE_WHOLE}", "green"))
    out.print(texts.AFTER_A_MOVE)
    return 0


def check_folder(store: Path, *, there: bool) -> None:
    """Let pass a store before its lock is made; one that is moved has to be `there`.

    Raises:
        BadInput: it is not, or its folder is not.
    """
    if there and not store.exists():
        raise BadInput(f"There is no store at {store}.", fix="Name the file of a bridge.")
    if not store.parent.is_dir():
        raise BadInput(f"There is no folder {store.parent}.", fix="Make it first, for you alone: mkdir -m 700")


def url_of(url: str, option: str) -> str:
    """The URL that an option names.

    Raises:
        BadInput: it is none; or it holds a password, which every user of this machine could read in the list of
            processes.
    """
    kind, _, name = url.partition(":")
    if kind == "env":
        url = os.environ.get(name, "").strip()
        if not url:
            raise BadInput(f"{option}: the variable {name} is not set.", fix="Set it to the URL of the store.")
    elif kind == "file":
        try:
            url = (working_folder() / Path(name).expanduser()).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise BadInput(f"{option}: {name} cannot be read.", fix="Write the URL of the store into it.") from None
    elif has_password(url):
        raise BadInput(
            f"{option} holds a password, and command lines can be read by others.",
            fix=f"Write {option} env:NAME or {option} file:PATH, or leave the password to ~/.pgpass or PGPASSWORD.",
        )
    if url.startswith(SQLITE):
        return f"{SQLITE}{working_folder() / Path(url.removeprefix(SQLITE)).expanduser()}"
    if url.startswith(POSTGRES):
        with suppress(ValueError):
            taken_apart(url)
            return url
        raise BadInput(f"The URL of {option} cannot be read.", fix=ENCODED)
    raise BadInput(f"{option} is no URL of a store.", fix="Write sqlite:///PATH or postgresql://USER@HOST/DATABASE.")


def has_password(url: str) -> bool:
    """Whether a URL holds one, or may: what cannot be read may be a password with a special character in it."""
    if not url.startswith(POSTGRES):
        return False
    try:
        parts = taken_apart(url)
        return bool(parts.password or parts.options.get("sslpassword"))
    except ValueError:
        return True
