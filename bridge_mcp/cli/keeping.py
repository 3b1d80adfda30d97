"""Commands that keep a bridge and move it: backup, restore."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

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
from bridge_mcp.file_lock import FileLock, is_held
from bridge_mcp.operations.restoring import Rested
from bridge_mcp.ports import HeldBack
from bridge_mcp.stores.archive import STORE, Manifest
from bridge_mcp.stores.opening import need_driver

if TYPE_CHECKING:
    from bridge_mcp.stores.sqlite.copies import Copied

__all__ = ["backup", "restore"]

Tell: TypeAlias = Callable[[str, int, int], None]
"""Hears what is done now, how much of it is done, and of how much."""


def backup(file: Path, /, *, common: Common = USUAL) -> int:
    """Write all that the bridge keeps into one file, for you alone. The bridge may run meanwhile.

    The file holds chats in clear: keep it where only you can read it. What is not in it is told.

    Parameters
    ----------
    file
        The file to write; one that is there is not overwritten.
    """
    from bridge_mcp.stores.archive import FORMAT, pack

    config = common.prepare()
    target = working_folder() / file.expanduser()
    if target.exists():
        raise BadInput(f"{target} is there already.", fix="Name another file.")
    with scratch(config.state_dir if config.store.is_postgres else target.parent) as folder, bars() as progress:
        (schema, conversations, entries), files = copied(config, folder, progress)
        manifest = Manifest(
            FORMAT, time.time(), __version__, schema=schema, conversations=conversations, entries=entries,
            store_bytes=0, store_sha256="", files=0, file_bytes=0,
        )  # fmt: skip
        packed = pack(target, folder / STORE, files, manifest, lambda name, done, of: progress(texts.PACKING, done, of))
    out = console()
    out.print(texts.wrote(target, target.stat().st_size / 1e6))
    out.print(texts.inside(packed.files, texts.contents(packed.conversations, packed.entries)))
    out.print(texts.NOT_IN_IT)
    return 0


def copied(config: Config, folder: Path, progress: Tell) -> tuple[Copied, Path]:
    """Copy the store, wherever it is, as `store.db` into a folder; what is in it, and the folder of its files.

    Raises:
        BadInput: there is no store.
        StoreError: it cannot be read, or the disk is full.
    """
    if config.store.is_postgres:
        need_driver()
        from bridge_mcp.stores.moving.archiving import snapshot

        stored = snapshot(config.store.direct, folder, lambda stage, done, of: progress(texts.copying(stage), done, of))
        return stored, folder / "files"
    from bridge_mcp.stores.sqlite.copies import copy_store

    if not config.store_path.exists():
        raise BadInput(f"There is no store at {config.store_path}.", fix="Name its configuration: --config.")
    return copy_store(config.store_path, folder / STORE, partial(progress, texts.COPYING)), config.files_path


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

    A backup of a file goes into a Postgres database as well, and the other way round; a database has to be empty.

    Parameters
    ----------
    file
        A file that `bridge-mcp backup` made.
    replace
        Also where the store that is there, a file, holds conversations: they are lost.
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
    into = restored_into_database if config.store.is_postgres else restored
    manifest, rested = into(config, source, replace)
    out = console()
    contents = texts.contents(manifest.conversations, manifest.entries)
    out.print(texts.restored(clock(manifest.made_at), contents))
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
    from bridge_mcp.engine_lock import PulseFile, owner_of
    from bridge_mcp.stores.sqlite.copies import replace_store, sole_use

    path = config.store_path
    with (
        owner_of(config.lock_path, PulseFile(config.lock_path), texts.ENGINE_RUNS, texts.END_IT_UNCHANGED),
        scratch(path.parent) as folder,
        bars() as progress,
    ):
        manifest, rested = at_rest(source, folder, progress)
        with sole_use(path) as conversations:
            if conversations and not replace:
                raise BadInput(
                    f"The store {path} holds {counted(conversations, 'conversation')}, which would be lost.",
                    fix="Back it up first, then add --replace. Nothing was changed.",
                )
            put_files(folder / "files", config.files_path)
            replace_store(folder / STORE, path)
    return manifest, rested


def restored_into_database(config: Config, source: Path, replace: bool) -> tuple[Manifest, Rested]:
    """Put a backup into the empty database that is the store.

    Raises:
        BadInput: it is no backup, or the database is not empty; nothing was changed.
        StoreError: somebody works with the database, or it cannot be written: it is empty then.
    """
    if replace:
        raise BadInput(texts.NO_REPLACE, fix=texts.ANOTHER_DATABASE)
    need_driver()
    from bridge_mcp.stores.moving.archiving import fill_database

    with scratch(config.state_dir) as folder, bars() as progress:
        manifest, rested = at_rest(source, folder, progress)
        put_files(folder / "files", files := folder / "kept")
        fill_database(
            config.store.direct, folder / STORE, files, lambda stage, done, of: progress(texts.copying(stage), done, of)
        )
    return manifest, rested


def at_rest(source: Path, folder: Path, progress: Tell) -> tuple[Manifest, Rested]:
    """Unpack a backup into a folder and bring its store to rest.

    Raises:
        BadInput: it is no backup, or one that is broken, hostile or newer.
        StoreError: there is no room for it.
    """
    from bridge_mcp.stores.archive import unpack
    from bridge_mcp.stores.sqlite.copies import check_stranger

    manifest = unpack(source, folder, lambda name, done, of: progress(texts.CHECKING_BACKUP, done, of))
    check_stranger(folder / STORE)
    return manifest, loop(rest, folder / STORE, partial(progress, texts.BRINGING_TO_REST))


def put_files(unpacked: Path, target: Path) -> None:
    """Move unpacked files to where a store keeps them."""
    for entry in sorted(unpacked.iterdir()):
        place = target / entry.name[:2] / entry.name
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.replace(entry, place)


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
    counts = (
        (rested.uncertain, "message", texts.UNCERTAIN),
        (rested.unknown, "call", texts.UNKNOWN),
        (rested.expired, "approval", texts.EXPIRED),
        (rested.turns, "turn", texts.STOPPED),
        (rested.reminders, "reminder", texts.LAPSED),
    )
    return [texts.ended(number, noun, outcome) for number, noun, outcome in counts if number]


async def confirmed(assembly: Assembly) -> None:
    """List what is held back, and turn it on."""
    held: HeldBack = await assembly.store.restoring.let_in()
    out = console()
    if not held:
        out.print(texts.NOTHING_HELD_BACK)
    for client in held.clients:
        places = ", ".join(sorted(client.channels | client.conversations)) or texts.EVERYWHERE
        out.print(visible(texts.client(client.name, ", ".join(sorted(client.scopes)), places)))
    for grant in held.grants:
        limits = [texts.like(name, pattern) for name, pattern in grant.arguments]
        places = grant.conversation or texts.EVERYWHERE
        out.print(visible(texts.grant(grant.tool, where=places, by=grant.by, limits=limits)))
    for pairing in held.pairings:
        out.print(visible(texts.pairing(pairing.channel, pairing.subject, name=pairing.name, role=pairing.role)))
    if held:
        out.print(texts.LET_IN)


@contextmanager
def scratch(target: Path) -> Generator[Path]:
    """A folder for this user alone on the disk of `target`, gone in the end; so is what a killed one left there.

    Raises:
        StoreError: the disk cannot hold it.
    """
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep(target)
        folder = Path(tempfile.mkdtemp(prefix=PART, suffix=".part", dir=target))
    except OSError as exc:
        raise StoreError(f"{target} cannot be written: {exc.strerror}.", fix="Name another place.") from exc
    lock = FileLock(folder / LOCK)
    with suppress(StoreError):  # a disk without locks: what a killed one leaves there stays
        lock.acquire()
    try:
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def sweep(target: Path) -> None:
    """Remove what killed ones left in a folder: it holds chats in clear."""
    for leftover in target.glob(f"{PART}*.part"):
        with suppress(OSError):  # another one has removed it meanwhile
            lock = leftover / LOCK
            if time.time() - leftover.stat().st_mtime > SWEPT_S and lock.exists() and not is_held(lock):
                shutil.rmtree(leftover, ignore_errors=True)


PART, LOCK = ".bridge-mcp-", "in-use.lock"
SWEPT_S = 60.0
"""How old a folder is at least that is taken for a killed one's: a fresh one may have no lock yet."""


@contextmanager
def bars() -> Generator[Callable[[str, int, int], None]]:
    """A line on standard error for each thing that takes long; on a terminal only."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    out = console(stderr=True)
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress_bars:
        tasks = {"": progress_bars.add_task("", visible=False)}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress_bars.add_task(stage)
            progress_bars.update(tasks[stage], completed=done, total=total)

        yield progress
