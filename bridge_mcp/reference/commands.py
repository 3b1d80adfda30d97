"""The part of the reference about the commands of `bridge-mcp`, with their arguments and options."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from cyclopts import App
from cyclopts.argument import Argument

from bridge_mcp.cli.app import make_app
from bridge_mcp.reference.schema_words import type_words

__all__ = ["commands", "every_command"]

EVERYWHERE = ("--config", "--log-level")
HEAD = """\
Every command but `demo`, `init` and `reference` takes `--config FILE` (the configuration file) and
`--log-level debug|info|warning|error` (what goes to standard error; else `BRIDGE_MCP_LOG`). `bridge-mcp` alone is
`bridge-mcp stdio`. Exit codes: 0 fine, 1 an error that was told, 2 wrong usage.
"""


def commands() -> str:
    """Command by command."""
    return "\n".join([HEAD, *(command(words, app) for words, app in every_command())])


def every_command() -> Iterator[tuple[str, App]]:
    """The commands there are, by their words, groups first."""
    app = make_app()
    for name in app:
        if name.startswith("-"):
            continue
        subcommands = [subcommand for subcommand in app[name] if not subcommand.startswith("-")]
        if not subcommands:
            yield name, app[name]
        for subcommand in subcommands:
            yield f"{name} {subcommand}", app[name][subcommand]


def command(words: str, app: App) -> str:
    """One command: how it is called, what it does, what it takes."""
    parameters = [one for one in app.assemble_argument_collection(parse_docstring=True) if not one.children]
    own = [one for one in parameters if one.name not in EVERYWHERE]
    places = " ".join(one.name if one.required else f"[{one.name}]" for one in own if one.index is not None)
    about = inspect.cleandoc(getattr(app.default_command, "__doc__", "") or "").partition("\n\nParameters\n")[0]
    lines = [option(one) for one in own]
    heading = f"### `bridge-mcp {words}{f' {places}' if places else ''}`"
    return "\n".join([heading, "", " ".join(about.split()), "", *lines, *([""] if lines else [])])


def option(parameter: Argument) -> str:
    """One argument or option, a line."""
    default = parameter.field_info.default
    denied = default is True  # what is on by itself is only ever switched off
    names = [name for name in parameter.names if name.startswith("--no-") == denied and not name.startswith("--empty-")]
    notes = [choices] if (choices := choices_of(parameter.hint)) else []
    if isinstance(default, str) and default:
        notes.append(f"default `{default}`")
    elif isinstance(default, int | float) and not isinstance(default, bool) and default > 0:
        notes.append(f"default {default:g}")
    brackets = f" ({'; '.join(notes)})" if notes else ""
    return f"- {', '.join(f'`{name}`' for name in names)}{brackets}" + (
        f": {parameter.parameter.help}" if parameter.parameter.help else ""
    )


def choices_of(hint: Any) -> str:
    """The words that an option takes, where it takes no others."""
    literal = next((each for each in (hint, *get_args(hint)) if get_origin(each) is Literal), None)
    return type_words({"enum": get_args(literal)}) if literal else ""
