"""Commands that set the bridge up, and its store right: init, migrate, rebuild."""

from __future__ import annotations

import os
import shlex
import sys
import time
from contextlib import nullcontext
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from bridge_mcp.channels.registry import plug, type_names
from bridge_mcp.cli.common import USUAL, Common
from bridge_mcp.cli.first_files import write_drafted, write_new
from bridge_mcp.cli.output import Hanging, console, progress
from bridge_mcp.cli.run import located, report
from bridge_mcp.cli.texts import keeping
from bridge_mcp.cli.texts import setup as texts
from bridge_mcp.config import CONFIG_NAME, own_config, working_folder
from bridge_mcp.config.template import template as all_keys
from bridge_mcp.core.errors import BadInput, BridgeError
from bridge_mcp.core.safe_text import visible
from bridge_mcp.hosts.table import HOSTS

__all__ = ["init", "migrate", "rebuild"]


def init(path: Path | None = None, /, *, here: bool = False, template: bool = False) -> int:
    """Write a commented bridge.toml where every host of this user finds it; a file that is there is left as it is.

    At a terminal it asks who answers, where people write and which host starts it, tries what it is told, keeps secrets
    in files of their own, and checks all of it; Ctrl-C leaves nothing behind. Elsewhere it asks nothing.

    With the name of a platform, such as slack, it prints what to do and to paste there, and writes nothing.

    Parameters
    ----------
    path
        Where to write it instead: a file, or a folder. No host reads that one unless it is named. Or a platform.
    here
        Write it into this folder.
    template
        Ask nothing, and write all keys as comments.
    """
    if path is not None and not here and (steps := platform_steps(path)):
        console().print(steps, highlight=False, soft_wrap=True, markup=False)
        return 0
    check_is_file(path)
    own_file = own_config(os.environ)
    target = absolute(Path() if here and path is None else path) or own_file
    if not template and sys.stdin.isatty() and sys.stdout.isatty():
        return asked(target, own_file)
    write_new(target, all_keys())
    readers, option = who_reads(target, own_file)
    lines = (texts.wrote(target), readers, texts.edit_it(option))
    console().print("\n".join(lines), highlight=False, soft_wrap=True)
    return 0


def platform_steps(path: Path) -> str:
    """What to do at the platform that this names; "" where it is a path, or there is nothing to do."""
    name = str(path).lower()
    if path.exists() or name not in type_names():
        return ""
    setup = plug(name).type.setup
    return setup() if setup else texts.STEPS.get(name, "")


def check_is_file(path: Path | None) -> None:
    """Let pass what can be a configuration: a folder, or a file with an ending.

    Raises:
        BadInput: it is a mere word, as whoever means a platform or a host writes it.
    """
    if path is None or path.suffix or path.is_dir() or path.name.startswith("."):
        return
    fix = texts.NAME_A_FILE
    known = [each for each in type_names() if plug(each).type.setup or each in texts.STEPS]
    if close := get_close_matches(str(path).lower(), known, 1):
        fix = texts.meant(close[0])
    elif str(path).lower() in HOSTS:
        fix = texts.meant_host(str(path).lower())
    raise BadInput(f"'{path}' is neither a platform with steps to show nor a file.", fix=fix)


def asked(target: Path, own_file: Path) -> int:
    """Ask at the terminal, write what came of it, put it into the host that was named, and check all."""
    from bridge_mcp.cli.check import check
    from bridge_mcp.cli.install import launch_of, put_into
    from bridge_mcp.cli.interview import interview

    if target.exists():
        raise BadInput(f"{target} is there already.", fix="Edit it, or name another file.")
    out = console()
    try:
        answers = interview()
    except KeyboardInterrupt:
        out.print(texts.NOTHING_WRITTEN)
        raise
    files = write_drafted(target, all_keys(), answers.sections)
    out.print("\n".join(map(texts.wrote, files)), soft_wrap=True)
    readers, option = who_reads(target, own_file)
    out.print(readers, soft_wrap=True)
    code = 0
    if answers.host:
        try:
            put_into(answers.host, launch_of(str(target)))
        except BridgeError as exc:
            code = report(exc)
    out.print()
    code = check(ask=False, common=Common(config=str(target) if option else None)) or code
    out.print()
    answers.then.append(texts.KEEP_RUNNING)
    for number, step in enumerate(answers.then, 1):
        out.print(Hanging(Text(f"{number}. "), Text(step)))
    return code


def who_reads(target: Path, own_file: Path) -> tuple[str, str]:
    """Who reads a configuration that lies there, and the option that `check` needs to read it."""
    env_file = os.environ.get("BRIDGE_MCP_CONFIG")
    option = f"--config {shlex.quote(str(target))} "
    if env_file and working_folder() / Path(env_file).expanduser() == target:
        return texts.READ_BY_VARIABLE, ""
    if target != own_file:
        return texts.read_by_nobody(option), option
    if env_file:
        return texts.read_by_hosts(env_file), option
    return texts.READ_BY_ALL, ""


def absolute(path: Path | None) -> Path | None:
    """The file that a path means: bridge.toml in it, where it is a folder."""
    if path is None:
        return None
    resolved = working_folder() / path.expanduser()
    return resolved / CONFIG_NAME if resolved.is_dir() else resolved


def migrate(
    *,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    common: Common = USUAL,
) -> int:
    """Bring the store to this version's schema, or make it; or move a whole bridge to another store.

    Nothing is lost; newer stores are refused. No engine of an older version may run meanwhile. A move reads one store
    and fills another, which is a store once all is there: rows are counted, and every hash chain is computed anew.
    Interrupted, it goes on when it is run again. Nothing may run on either meanwhile.

    Parameters
    ----------
    from_
        The store that is moved: sqlite:///PATH, postgresql://USER@HOST/DATABASE, or env:NAME or file:PATH of a URL.
    to
        Where it goes to: a file that is not there, or an empty database.
    """
    from bridge_mcp.engine_lock import PulseFile, owner_of
    from bridge_mcp.stores import opening

    config = common.prepare()
    if from_ or to:
        from bridge_mcp.cli.moving import moved

        if not (from_ and to):
            raise BadInput("A move has a --from and a --to.", fix="Name both stores.")
        return moved(config, from_, to)
    url = located(config)
    before = opening.schema_version(url)
    owner = partial(owner_of, config.lock_path, PulseFile(config.lock_path))
    with progress(console(stderr=True), keeping.MIGRATING) as migrated:
        opening.migrate(url, owner=nullcontext if config.store.is_postgres else owner, progress=migrated)
    console().print(keeping.migrated(config.store.where, before, opening.schema_version(url) or 0))
    return 0


def rebuild(*, common: Common = USUAL) -> int:
    """Compute anew, from the logs, all that stands beside them: messages, approvals, events, sums, the search index.

    For a store that `log --verify` finds fault with. The logs themselves are not changed, nor are grants. No engine may
    run meanwhile; on Postgres, nobody may have the database open. Killed in the middle, it leaves a store that works,
    and can be run again.
    """
    from bridge_mcp.assembly import make_channels
    from bridge_mcp.engine_lock import PulseFile, owner_of
    from bridge_mcp.operations.clocks import WallClock
    from bridge_mcp.stores import opening

    config, clock = common.prepare(), WallClock()
    url = located(config)
    if opening.schema_version(url) is None:
        place = config.store.shown if config.store.is_postgres else config.store_path
        raise BadInput(f"There is no store at {place}.", fix="Name the configuration that belongs to it: --config.")
    channels = make_channels(config.channels, clock)
    by_commit = frozenset(name for name, plug_there in channels.items() if plug_there.traits.delivered_by_commit)
    out, err = console(), console(stderr=True)
    owner = owner_of(config.lock_path, PulseFile(config.lock_path), keeping.ENGINE_RUNS, keeping.END_IT)
    with nullcontext() if config.store.is_postgres else owner:
        began = time.monotonic()
        with progress(err, keeping.REBUILDING) as rebuilt:
            result = opening.rebuild(url, clock.now(), by_commit, rebuilt)
        with progress(err, keeping.CHECKING) as checked:
            wrong = opening.verify(url, progress=checked)
    took = time.monotonic() - began
    out.print(keeping.rebuilt(result.conversations, entries=result.entries, seconds=took))
    for line in result.skipped:
        err.print(Text(f"✗ {keeping.left_alone(visible(line))}", "red"))
    for line in wrong:
        err.print(Text(f"✗ {visible(line)}", "red"))
    if not wrong:
        err.print(Text(f"✓ {keeping.LOGS_ARE_WHOLE}", "green"))
    return 1 if wrong else 0
