"""The command `completion`: has a shell complete commands and options."""

from __future__ import annotations

import sys
from typing import Literal

from bridge_mcp.cli.output import console
from bridge_mcp.cli.texts import setup as texts
from bridge_mcp.core.errors import BadInput, room_or
from bridge_mcp.folders import home

__all__ = ["completion"]

Shell = Literal["bash", "zsh", "fish", "powershell"]


def completion(shell: Shell, /, *, install: bool = False) -> int:
    """Print the completion of commands and options for a shell, or install it.

    Parameters
    ----------
    shell
        The shell.
    install
        Write it where that shell looks, and have the shell's start-up file load it where that is needed.
    """
    from bridge_mcp.cli.app import make_app

    app = make_app()
    if not install:
        sys.stdout.write(app.generate_completion(shell=shell))
        return 0
    home()
    try:
        written = app.install_completion(shell=shell)
    except OSError as exc:
        raise BadInput(
            f"{exc.filename or f'The file for {shell}'} cannot be written: {exc.strerror}.",
            fix=room_or(exc, f"Put it where your shell looks: bridge-mcp completion {shell} > FILE"),
        ) from exc
    console().print(texts.completes(written), soft_wrap=True)
    return 0
