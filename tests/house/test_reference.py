"""The reference is current, and holds all there is: keys, tools, commands, events, errors, public names."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from bridge_mcp.channels.registry import BUILT_IN, plug
from bridge_mcp.config import schema
from bridge_mcp.core.events import EVENT_TYPES
from bridge_mcp.operations.commands import COMMANDS
from bridge_mcp.reference import PARTS, drawn
from bridge_mcp.reference.api import public_packages
from bridge_mcp.reference.commands import every_command
from bridge_mcp.reference.config import VARIABLES, sections
from bridge_mcp.reference.outcomes import codes
from bridge_mcp.reference.sentences import field_sentences
from bridge_mcp.server.tools.registry import TOOLS
from tests.house.modules import HOME
from tests.house.reference import REFERENCE

TEXT = REFERENCE.read_text("utf-8")


def test_the_page_is_what_the_code_says() -> None:
    """Write it anew with: python -m tests.house.reference"""
    assert drawn() == TEXT


def test_every_section_of_the_config_and_every_key_is_there_with_a_sentence() -> None:
    bare = [
        f"{cls.__name__}.{key}" for cls in sections() for key in cls.model_fields if not field_sentences(cls).get(key)
    ]
    assert bare == [], "write a sentence below the key, in config/schema.py"
    every = {name for name, each in vars(schema).items() if isinstance(each, type) and issubclass(each, schema.Section)}
    own = {known.__name__ for name in BUILT_IN if (known := plug(name).type.settings).model_fields}
    assert {cls.__name__ for cls in sections()} == every - {"Section", "File"} | own | {"Chat"}


def test_every_tool_command_event_and_error_is_there() -> None:
    named = [
        *(f"### `{tool.name}`" for tool in TOOLS),
        *(f"### `bridge-mcp {words}" for words, _ in every_command()),
        *(f"- `{command.usage}`" for command in COMMANDS.values()),
        *(f"- `{kind}`: " for kind in EVENT_TYPES),
        *(f"- `{each.code}`: " for each in codes()),
        *(f"### `{package.__name__}`" for package in public_packages()),
    ]
    assert [each for each in named if each not in TEXT] == []


@pytest.mark.parametrize("part", [part for part in PARTS if part not in ("config", "tools")])
def test_every_line_says_something(part: str) -> None:
    """Keys have their own test; arguments and fields of answers whose names say all need no sentence."""
    lines = drawn(part).splitlines()  # pyright: ignore[reportArgumentType]
    assert [line for line in lines if line.startswith("- ") and not re.match(r"- .+?: \S", line)] == []


def test_every_error_says_what_helps() -> None:
    assert [each.__name__ for each in codes() if not each.helps] == []


def test_every_variable_that_is_read_is_there() -> None:
    read = {
        name
        for path in HOME.rglob("*.py")
        for name in re.findall(r"\bBRIDGE_MCP_[A-Z_]+", path.read_text("utf-8"))
        if "reference" not in path.parts
    }
    assert read <= VARIABLES.keys()


def test_a_start_does_not_load_it() -> None:
    code = "import sys, bridge_mcp.cli.app as app; app.make_app(); print([m for m in sys.modules if 'reference' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
