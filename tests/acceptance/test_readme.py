"""What the README tells people to run is so: every command there is, its options too, and its program runs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge_mcp.cli.app import in_order, make_app
from bridge_mcp.server.protocol.prompts import PROMPTS
from tests.acceptance.parts import RULES, Home

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
GROUPS = ("approvals", "clients", "pair", "servers")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> Iterator[str]:
    """Every command line of ours that stands in a block or between backticks, without what is optional in it."""
    lines = [line for block in blocks("sh") for line in re.split(r"\n|&&|--(?= bridge)", block)]
    for text in [*lines, *re.findall(r"`([^`\n]+)`", README)]:
        found = re.match(r"\s*(?:\S*/)?bridge-mcp (.+)", text.partition("  #")[0])
        if found:
            yield re.sub(r"[\[\]…]", " ", found[1]).strip()


def table() -> list[str]:
    """The commands of its table, one each, with the group that stands in front of the first one of a row."""
    body = README.partition("## Commands")[2].partition("##")[0]
    found: list[str] = []
    for row in re.findall(r"^\| (`.*?) \|", body, re.MULTILINE):
        group = ""
        for text in re.findall(r"`([^`]+)`", row):
            words = re.sub(r"[\[\]…]", " ", text).split()
            group = words[0] if words[0] in GROUPS else group
            found.append(" ".join(words if words[0] in (group, "bridge-mcp") else [group, *words]).strip())
    return [each for each in found if each != "bridge-mcp"]


@pytest.mark.parametrize("line", sorted({*commands(), *table()}))
def test_every_command_is_one_with_these_options(line: str) -> None:
    tokens = in_order(shlex.split(line))
    chain, apps, _ = make_app().parse_commands(tokens)
    options = {token.partition("=")[0] for token in tokens if token.startswith("--")}
    if not chain:
        assert options <= {"--help", "--version"}
        return
    assert list(chain) == tokens[: 2 if tokens[0] in GROUPS else 1]
    assert options <= {name for argument in apps[-1].assemble_argument_collection() for name in argument.names}


def test_its_table_names_every_command() -> None:
    named = {line.split()[0] for line in table()}
    there = set(re.findall(r"^│ ([a-z]+) ", help_text(), re.MULTILINE))
    assert there - named - {"stdio"} == set()


def help_text() -> str:
    done = subprocess.run([sys.executable, "-m", "bridge_mcp", "--help"], capture_output=True, text=True, check=True)
    return done.stdout


def test_its_prompts_and_its_json_are_there() -> None:
    for name in re.findall(r"prompt\W+`(\w+)`", README):
        assert name in {prompt.name for prompt in PROMPTS}, name
    assert [json.loads(block)["mcpServers"]["bridge"] for block in blocks("json")]


def test_its_program_runs(home: Home) -> None:
    home.write('[models.default]\nmodel = "scripted"\nscript = "rules.toml"\n[channels.local]\ntype = "local"\n')
    (home.config.parent / "rules.toml").write_text(RULES, "utf-8")
    (program,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=home.environment(),
        cwd=home.work,
        check=True,
    )
    assert done.stdout == "echo: Hello!\n"
