"""What the README tells people to run is so: every command there is, its options too, and its program runs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from bridge_mcp.cli.app import in_order, make_app
from bridge_mcp.server.protocol.prompts import PROMPTS
from tests.acceptance.parts import RULES, Home

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
GROUPS = ("approvals", "clients", "pair", "servers", "service")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> Iterator[str]:
    """Every command line of ours that stands in a block or between backticks, without what is optional in it."""
    lines = [line for block in blocks("sh") for line in re.split(r"\n|&&|--(?= bridge)", block)]
    for text in [*lines, *re.findall(r"`([^`\n]+)`", README)]:
        found = re.match(r"\s*(?:\S*/)?bridge-mcp (.+)", text.partition("  #")[0])
        if found:
            yield re.sub(r"[\[\]…]", " ", found[1]).strip()


@pytest.mark.shows("config.readme")
@pytest.mark.parametrize("line", sorted(set(commands())))
def test_every_command_is_one_with_these_options(line: str) -> None:
    tokens = in_order(shlex.split(line))
    if tokens[0].startswith("--") and tokens[0] not in ("--help", "--version"):
        tokens = ["stdio", *tokens]  # what `bridge-mcp` is without a command
    chain, apps, _ = make_app().parse_commands(tokens)
    own = takewhile(lambda token: token != "--", tokens)
    options = {token.partition("=")[0] for token in own if token.startswith("--")}
    if chain:
        assert list(chain) == tokens[: 2 if tokens[0] in GROUPS else 1]
    else:
        options -= {"--help", "--version"}
        _, apps, _ = make_app().parse_commands(["stdio"])  # what `bridge-mcp` alone is
    assert options <= {name for argument in apps[-1].assemble_argument_collection() for name in argument.names}


def test_it_leads_to_every_task_and_to_the_reference() -> None:
    tasks = README.partition("## I want to")[2].partition("\n### ")[0]
    headings = {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in re.findall(r"#+ (.*)", README)}
    links = re.findall(r"\]\(#([\w-]+)\)", README)
    assert len(re.findall(r"^- \[", tasks, re.MULTILINE)) >= 9
    assert [link for link in links if link not in headings] == []
    assert "bridge_mcp/REFERENCE.md" in README


def test_its_prompts_and_its_json_are_there() -> None:
    for name in re.findall(r"prompt\W+`(\w+)`", README):
        assert name in {prompt.name for prompt in PROMPTS}, name
    assert [json.loads(block)["mcpServers"]["bridge"] for block in blocks("json")]


@pytest.mark.shows("cli.embedding")
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
