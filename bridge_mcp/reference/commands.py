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
        inner = [each for each in app[name] if not each.startswith("-")]
        if not inner:
            yield name, app[name]
        for each in inner:
            yield f"{name} {each}", app[name][each]


def command(words: str, app: App) -> str:
    """One command: how it is called, what it does, what it takes."""
    told = [each for each in app.assemble_argument_collection(parse_docstring=True) if not each.children]
    own = [each for each in told if each.name not in EVERYWHERE]
    places = " ".join(each.name if each.required else f"[{each.name}]" for each in own if each.index is not None)
    about = inspect.cleandoc(getattr(app.default_command, "__doc__", "") or "").partition("\n\nParameters\n")[0]
    lines = [option(each) for each in own]
    heading = f"### `bridge-mcp {words}{f' {places}' if places else ''}`"
    return "\n".join([heading, "", " ".join(about.split()), "", *lines, *([""] if lines else [])])


def option(each: Argument) -> str:
    """One argument or option, a line."""
    default = each.field_info.default
    denied = default is True  # what is on by itself is only ever switched off
    names = [name for name in each.names if name.startswith("--no-") == denied and not name.startswith("--empty-")]
    said = [choices] if (choices := choices_of(each.hint)) else []
    if isinstance(default, str) and default:
        said.append(f"default `{default}`")
    elif isinstance(default, int | float) and not isinstance(default, bool) and default > 0:
        said.append(f"default {default:g}")
    brackets = f" ({'; '.join(said)})" if said else ""
    return f"- {', '.join(f'`{name}`' for name in names)}{brackets}" + (
        f": {each.parameter.help}" if each.parameter.help else ""
    )


def choices_of(hint: Any) -> str:
    """The words that an option takes, where it takes no others."""
    found = next((each for each in (hint, *get_args(hint)) if get_origin(each) is Literal), None)
    return type_words({"enum": get_args(found)}) if found else ""
