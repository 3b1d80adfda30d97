"""The reference, drawn from the code: config keys, tools, commands, chat commands, events, errors, public names.

Every part is Markdown. Nothing here is loaded but to print a reference, or to write `REFERENCE.md` anew.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

__all__ = ["PARTS", "Part", "drawn"]

Part: TypeAlias = Literal["config", "tools", "commands", "chat", "events", "errors", "api"]
"""A part of the reference."""
PARTS: tuple[Part, ...] = get_args(Part)
"""The parts, in their order."""

HEAD = """\
# The reference

`bridge-mcp reference` prints this page, and `bridge-mcp reference PART` one part of it: config, tools, commands, chat,
events, errors or api. It is drawn from the code. How to do things is told in the README.
"""


def drawn(part: Part | None = None) -> str:
    """One part of the reference, or all of it."""
    if part is None:
        links = "\n".join(f"- [{title(each)}](#{title(each).lower().replace(' ', '-')})" for each in PARTS)
        return "\n".join([HEAD, f"{links}\n", *(drawn(each) for each in PARTS)])
    return f"## {title(part)}\n\n{body(part).rstrip()}\n"


def title(part: Part) -> str:
    """The heading of a part."""
    titles: dict[Part, str] = {
        "config": "Config keys",
        "tools": "MCP tools",
        "commands": "Commands",
        "chat": "Chat commands",
        "events": "Events",
        "errors": "Errors",
        "api": "Public names",
    }
    return titles[part]


def body(part: Part) -> str:
    """What stands below that heading; each part loads what it tells of, and no more."""
    match part:
        case "config":
            from bridge_mcp.reference.config import config

            return config()
        case "tools":
            from bridge_mcp.reference.tools import tools

            return tools()
        case "commands":
            from bridge_mcp.reference.commands import commands

            return commands()
        case "chat":
            from bridge_mcp.reference.outcomes import chat_commands

            return chat_commands()
        case "events":
            from bridge_mcp.reference.outcomes import events

            return events()
        case "errors":
            from bridge_mcp.reference.outcomes import errors

            return errors()
        case "api":
            from bridge_mcp.reference.api import api

            return api()
