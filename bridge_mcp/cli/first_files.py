"""The files of a new configuration, for their owner alone: written whole or not at all, and over nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from bridge_mcp.config.draft import Section, drafted
from bridge_mcp.core.errors import BadInput, room_or

__all__ = ["write_drafted", "write_new"]

SECRETS = "secrets"
"""The folder beside the configuration in which each secret is a file."""


def write_drafted(target: Path, template: str, sections: Sequence[Section]) -> list[Path]:
    """Write a configuration and the files of its secrets; what was written. Whatever fails leaves none of them.

    Raises:
        BadInput: it is there already, or cannot be written.
    """
    written: list[Path] = []
    with ExitStack() as undone:
        undone.callback(taken_back, written)
        lines_by_section = [(section, secret_files(section, target.parent, written)) for section in sections]
        write_new(target, drafted(template, lines_by_section))
        undone.pop_all()
    return [target, *written]


def taken_back(written: Sequence[Path]) -> None:
    """Remove the files of secrets, and their folder, where nothing else is in it."""
    for path in written:
        path.unlink(missing_ok=True)
    if written:
        with suppress(OSError):
            written[0].parent.rmdir()


def secret_files(section: Section, folder: Path, written: list[Path]) -> dict[str, str]:
    """Write the secrets of a section; the line that names each of them."""
    lines: dict[str, str] = {}
    for key, value in section.secrets.items():
        name = f"{section.name.rpartition('.')[2]}.{key}"
        path, number = folder / SECRETS / name, 2
        while path.exists():
            path, number = folder / SECRETS / f"{name}.{number}", number + 1
        written.append(path)  # before it is there: Ctrl-C may come in between
        write_new(path, f"{value}\n")
        lines[key] = f'{key}_file = "{SECRETS}/{path.name}"'
    return lines


def write_new(target: Path, text: str) -> None:
    """Write a file that is not there yet, for its owner alone to read and change; it is never there in part.

    Raises:
        BadInput: it is there, or cannot be written.
    """
    temporary = ""
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        placed(Path(temporary), target)
    except FileExistsError:
        raise BadInput(f"{target} is there already.", fix="Edit it, or name another file.") from None
    except OSError as exc:
        raise BadInput(f"{target} cannot be written: {exc.strerror}.", fix=room_or(exc, "Name another file.")) from exc
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def placed(temporary: Path, target: Path) -> None:
    """Give a file its name, if nothing has it.

    Raises:
        FileExistsError: something has it.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if target.exists():
            raise FileExistsError from None
        temporary.rename(target)
