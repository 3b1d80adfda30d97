"""Commands that keep a bridge and move it: backup, restore."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from bridge_mcp import __version__
from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import USUAL, Common, with_bridge
from bridge_mcp.cli.output import clock, console
from bridge_mcp.cli.run import loop
from bridge_mcp.cli.texts import counted
from bridge_mcp.cli.texts import keeping as texts
from bridge_mcp.config import Config, working_folder
from bridge_mcp.core.errors import BadInput, StoreError
from bridge_mcp.core.safe_text import visible
from bridge_mcp.operations.restoring import Rested
from bridge_mcp.ports import HeldBack
from bridge_mcp.stores.archive import Manifest

__all__ = ["backup", "restore"]


def backup(file: Path, /, *, common: Common = USUAL) -> int:
    """Write all that the bridge keeps into one file, for you alone. The bridge may run meanwhile.

    The file holds chats in clear: keep it where only you can read it. What is not in it is told.

    Parameters
    ----------
    file
        The file to write; one that is there is not overwritten.
    """
    from bridge_mcp.stores.archive import FORMAT, pack
    from bridge_mcp.stores.sqlite.copies import copy_store

    config = common.prepare()
    config.need_file("A backup", texts.BACK_UP_A_DATABASE)
    target = working_folder() / file.expanduser()
    if target.exists():
        raise BadInput(f"{target} is there already.", fix="Name another file.")
    if not config.store_path.exists():
        raise BadInput(f"There is no store at {config.store_path}.", fix="Name its configuration: --config.")
    with scratch(target.parent) as folder, bars() as progress:
        copy = folder / "store.db"
        schema, conversations, entries = copy_store(config.store_path, copy, partial(progress, texts.COPYING))
        about = Manifest(
            FORMAT, time.time(), __version__, schema=schema, conversations=conversations, entries=entries,
            store_bytes=0, store_sha256="", files=0, file_bytes=0,
        )  # fmt: skip
        made = pack(target, copy, config.files_path, about, lambda name, done, of: progress(texts.PACKING, done, of))
    out = console()
    out.print(texts.wrote(target, target.stat().st_size / 1e6))
    out.print(texts.inside(made.files, texts.contents(made.conversations, made.entries)))
    out.print(texts.NOT_IN_IT)
    return 0


def restore(
    file: Path | None = None,
    /,
    *,
    replace: Annotated[bool, Parameter(negative="")] = False,
    confirm: Annotated[bool, Parameter(negative="")] = False,
    common: Common = USUAL,
) -> int:
    """Put a backup in the place of the store. Nothing is sent and nothing runs because of it.

    What was under way when the backup was made is over: messages on their way are `uncertain`, calls that had begun
    `unknown`, and what waited has lapsed. Clients, grants and
    pairings stay off until `bridge-mcp restore --confirm` lists them.

    Parameters
    ----------
    file
        A file that `bridge-mcp backup` made.
    replace
        Also where the store that is there holds conversations: they are lost.
    confirm
        List the clients and grants of the restored store, and turn them on.
    """
    if confirm:
        if file is not None or replace:
            raise BadInput("--confirm stands alone.", fix="First bridge-mcp restore FILE, then restore --confirm.")
        return with_bridge(common, confirmed)
    if file is None:
        raise BadInput("Which file?", fix="bridge-mcp restore FILE, as bridge-mcp backup FILE has written it.")
    config, source = common.prepare(), working_folder() / file.expanduser()
    config.need_file("A restore", texts.BACK_UP_A_DATABASE)
    manifest, rested = restored(config, source, replace)
    out = console()
    held = texts.contents(manifest.conversations, manifest.entries)
    out.print(texts.restored(clock(manifest.made_at), held))
    for line in lines_of(rested):
        out.print(line)
    out.print(texts.CURSORS)
    out.print(texts.HELD_BACK)
    return 0


def restored(config: Config, source: Path, replace: bool) -> tuple[Manifest, Rested]:
    """Put a backup in the place of the store.

    Raises:
        BadInput: it is no backup, or there is a store that may not be replaced; nothing was changed.
        StoreError: somebody works with the store, or the disk cannot hold it; nothing was changed.
    """
    from bridge_mcp.place import PulseFile, owner_of
    from bridge_mcp.stores.archive import unpack
    from bridge_mcp.stores.sqlite.copies import check_stranger, replace_store, sole_use

    path = config.store_path
    with (
        owner_of(config.lock_path, PulseFile(config.lock_path), texts.ENGINE_RUNS, texts.END_IT_UNCHANGED),
        scratch(path.parent) as folder,
        bars() as progress,
    ):
        manifest = unpack(source, folder, lambda name, done, of: progress(texts.CHECKING_BACKUP, done, of))
        check_stranger(folder / "store.db")
        rested = loop(rest, folder / "store.db", partial(progress, texts.BRINGING_TO_REST))
        with sole_use(path) as held:
            if held and not replace:
                raise BadInput(
                    f"The store {path} holds {counted(held, 'conversation')}, which would be lost.",
                    fix="Back it up first, then add --replace. Nothing was changed.",
                )
            for kept in sorted((folder / "files").iterdir()):
                place = config.files_path / kept.name[:2] / kept.name
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.replace(kept, place)
            replace_store(folder / "store.db", path)
    return manifest, rested


async def rest(path: Path, progress: Callable[[int, int], None]) -> Rested:
    """Bring an unpacked store to this version's schema and to rest, and leave it in one file."""
    from bridge_mcp.operations.clocks import WallClock
    from bridge_mcp.operations.restoring import bring_to_rest
    from bridge_mcp.stores.sqlite import open_store

    clock = WallClock()
    store = await open_store(path, clock=clock)
    try:
        rested = await bring_to_rest(store, clock, progress)
        wrong = await store.verify()
    finally:
        await store.close()
    if path.with_name(f"{path.name}-wal").exists():
        raise StoreError("The restored store could not be closed.", fix="Run this again. Nothing was changed.")
    for line in wrong[:10]:
        console(stderr=True).print(Text(f"! {visible(line)}", "yellow"))
    return rested


def lines_of(rested: Rested) -> list[str]:
    """What was ended, a line each."""
    found = (
        (rested.uncertain, "message", texts.UNCERTAIN),
        (rested.unknown, "call", texts.UNKNOWN),
        (rested.expired, "approval", texts.EXPIRED),
        (rested.turns, "turn", texts.STOPPED),
        (rested.reminders, "reminder", texts.LAPSED),
    )
    return [texts.ended(number, noun, what) for number, noun, what in found if number]


async def confirmed(assembly: Assembly) -> None:
    """List what is held back, and turn it on."""
    found: HeldBack = await assembly.store.restoring.let_in()
    out = console()
    if not found:
        out.print(texts.NOTHING_HELD_BACK)
    for client in found.clients:
        where = ", ".join(sorted(client.channels | client.conversations)) or texts.EVERYWHERE
        out.print(visible(texts.client(client.name, ", ".join(sorted(client.scopes)), where)))
    for grant in found.grants:
        limits = [texts.like(name, pattern) for name, pattern in grant.arguments]
        where = grant.conversation or texts.EVERYWHERE
        out.print(visible(texts.grant(grant.tool, where=where, by=grant.by, limits=limits)))
    for each in found.pairings:
        out.print(visible(texts.pairing(each.channel, each.subject, name=each.name, role=each.role)))
    if found:
        out.print(texts.LET_IN)


@contextmanager
def scratch(beside: Path) -> Generator[Path]:
    """A folder for this user alone on the disk of `beside`, gone in the end; so is what a killed one left there.

    Raises:
        StoreError: the disk cannot hold it.
    """
    try:
        beside.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".bridge-mcp-", suffix=".part", dir=beside))
    except OSError as exc:
        raise StoreError(f"{beside} cannot be written: {exc.strerror}.", fix="Name another place.") from exc
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def bars() -> Generator[Callable[[str, int, int], None]]:
    """A line on standard error for each thing that takes long; on a terminal only."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    out = console(stderr=True)
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as shown:
        tasks = {"": shown.add_task("", visible=False)}

        def progress(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what)
            shown.update(tasks[what], completed=done, total=of)

        yield progress
