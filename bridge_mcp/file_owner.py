"""Whether a file that is taken without being named can be changed by its owner alone. A configuration runs commands."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from bridge_mcp.core.errors import ConfigError

__all__ = ["check_owner_alone"]


def check_owner_alone(path: Path, home: Path) -> None:
    """Let pass a file that only this user (or root) can write or replace. On Windows every file passes.

    Looks at the file, where it really is, and at the folders above it, up to the home folder, or two levels elsewhere.

    Raises:
        ConfigError: somebody else can write it; the message names the file or folder, and the way out.
    """
    if sys.platform == "win32":
        return
    real = path.resolve()
    for each in (*chain(path, home), *(chain(real, home) if real != path else ())):
        if why := open_to_others(each.stat()):
            raise ConfigError(
                f"{path} is not taken, because {each} {why}: a configuration runs commands.",
                fix=f"Make it yours alone (chmod go-w '{each}', chown), or name the file with --config.",
            )


def chain(path: Path, home: Path) -> Iterator[Path]:
    """The file and the folders that hold it."""
    yield path
    inside = path.is_relative_to(home)
    for level, folder in enumerate(path.parents):
        if level > 1 and not (inside and folder.is_relative_to(home)):
            return
        yield folder


def open_to_others(status: os.stat_result) -> str:
    """Why others can write what has this status; "" if they cannot."""
    if status.st_uid not in (os.geteuid(), 0):
        return "belongs to another user"
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return ""  # as in /tmp: others can add files, and not replace this one
    if status.st_mode & stat.S_IWOTH:
        return "can be written by everybody"
    if status.st_mode & stat.S_IWGRP and not private_group(status.st_gid):
        return "can be written by its group"
    return ""


def private_group(gid: int) -> bool:
    """Whether a group is one that many systems make for each user, with nobody else in it."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(os.geteuid())
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
