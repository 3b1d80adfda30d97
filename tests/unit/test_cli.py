"""The parts of the command line that need no process to be looked at."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from bridge_mcp.cli.app import in_order, with_command
from bridge_mcp.cli.output import Hanging, grid, indented
from bridge_mcp.cli.serving import exposed, parse_address
from bridge_mcp.cli.start_options import StdioOptions, parse_stdio
from bridge_mcp.config import load_config
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.safe_text import visible


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], StdioOptions()),
        (["--config", "a.toml"], StdioOptions("a.toml")),
        (["--scopes=read", "--log-level", "debug"], StdioOptions(None, "read", "debug")),
        (["--expose", "a", "--config=x", "--expose=b,c"], StdioOptions("x", expose="a,b,c")),
        (["--expose", "a", "--expose"], None),
        (["--config"], None),
        (["--config", "--scopes"], None),
        (["--config", "a", "--config", "b"], None),
        (["--help"], None),
        (["status"], None),
        (["--config", "a.toml", "status"], None),
    ],
)
def test_plain_serving_is_known_by_its_options_alone(arguments: list[str], options: StdioOptions | None) -> None:
    assert parse_stdio(arguments) == options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "a", "--config", "b"], ["stdio", "--config", "a", "--config", "b"]),
        (["--expose"], ["stdio", "--expose"]),
        (["--scopes=read", "--scopes=send"], ["stdio", "--scopes=read", "--scopes=send"]),
        (["--config", "a", "status"], ["--config", "a", "status"]),
        (["--config", "a", "--help"], ["--config", "a", "--help"]),
        (["status"], ["status"]),
        ([], []),
    ],
)
def test_wrong_options_of_plain_serving_are_read_as_its_own(arguments: list[str], words: list[str]) -> None:
    assert with_command(arguments) == words


@pytest.mark.parametrize(
    ("arguments", "ordered"),
    [
        (["status"], ["status"]),
        (["--config", "a", "status", "--json"], ["status", "--config", "a", "--json"]),
        (["--log-level=debug", "approvals", "list"], ["approvals", "list", "--log-level=debug"]),
        (["--config", "a"], ["--config", "a"]),
        (["--config", "a", "--help"], ["--config", "a", "--help"]),
        (["send", "a/b", "--config"], ["send", "a/b", "--config"]),
    ],
)
def test_options_may_stand_before_the_command(arguments: list[str], ordered: list[str]) -> None:
    assert in_order(arguments) == ordered


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße 👨‍👩‍👧 می‌خواهم", "Grüße 👨‍👩‍👧 می‌خواهم"),
        ("a\u202eb", "a<U+202E>b"),
        ("a\x1b[2Jb", "a<U+001B>[2Jb"),
        ("a\u200b\ufeff\u2028b", "a<U+200B><U+FEFF><U+2028>b"),
        ("a\U000e0041b", "a<U+E0041>b"),
        ("two\nlines\tand\rmore", "two⏎lines and<U+000D>more"),
    ],
)
def test_what_hides_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_lines_may_stay_lines() -> None:
    assert visible("a\nb\x07", lines=True) == "a\nb<U+0007>"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        (":80", ("127.0.0.1", 80)),
        ("80", ("127.0.0.1", 80)),
        ("[::1]:0", ("::1", 0)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:65536", "host:-1", "host:²"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(BadInput, match="HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize(
    ("host", "warned"),
    [("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("10.0.0.5", True), ("::", True)],
)
def test_an_address_that_others_can_reach_warns(host: str, warned: bool, tmp_path: Path) -> None:
    config = load_config(
        env={"HOME": str(tmp_path), "BRIDGE_MCP_STATE_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    )
    told = exposed(host, config)
    assert bool(told) == warned
    assert all("TLS" in each for each in told)


ROWS = [["  settings", "/home/ann/.config/bridge-mcp/bridge.toml, as it was written"], ["  a", "b", ""], ["  x"], []]


def printed(what: object, *, width: int = 80, terminal: bool = True) -> list[str]:
    """The lines that a terminal of this width is given, or a pipe."""
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=terminal, no_color=True, soft_wrap=not terminal).print(what)
    return file.getvalue().split("\n")[:-1]


@pytest.mark.parametrize("width", [10, 20, 40, 80])
def test_a_terminal_wraps_and_loses_nothing(width: int) -> None:
    lines = printed(grid(ROWS), width=width)
    assert max(map(len, lines)) <= width
    assert "".join("".join(lines).split()) == "".join("".join(map("".join, ROWS)).split())
    assert not any(line.endswith(" ") for line in lines)


@pytest.mark.shows("cli.terminals")
def test_a_pipe_gets_whole_lines_without_blanks_at_their_ends() -> None:
    lines = printed(grid([*ROWS, ["  y", "z" * 500]]), terminal=False)
    assert lines[:2] == ["  settings  /home/ann/.config/bridge-mcp/bridge.toml, as it was written", "  a         b"]
    assert lines[-1] == f"  y         {'z' * 500}"
    assert printed(indented(Text("one\n\ntwo " + "x" * 300)), terminal=False) == ["  one", "", f"  two {'x' * 300}"]


def test_further_lines_stand_below_the_first() -> None:
    hanging = Hanging(Text("! model  "), Text("one two three four"))
    assert printed(hanging, width=20) == ["! model  one two", "         three four"]
