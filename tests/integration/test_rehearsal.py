"""The logs under other settings: what would be asked, what need not be, and what a policy says of past verdicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.cli.app import run
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.suggestions import Seen, suggestions
from bridge_mcp.core.tools import ToolSpec, parse_arguments
from tests.integration.setup import HOST, OWNER, SUPERVISOR, world
from tests.integration.test_turns import files
from tests.unit.logs import spec_of

CONFIG = """
[models.small]
model = "scripted"
script = "reviewer.toml"
[channels.local]
type = "local"
[approvals]
review = { model = "small", policy = "policy.md", may = "approve" }
"""

SCRIPT = """
[[rule]]
when = '"path":"notes/'
say = '{{"verdict": "approve", "reason": "in notes"}}'
[[rule]]
when = '"path":"etc/'
say = '{{"verdict": "reject", "reason": "outside"}}'
[default]
say = "I do not know."
"""

CALLS = (
    ("notes/a", True),
    ("notes/a", True),
    ("notes/a", True),
    ("etc/passwd", False),
    ("notes/b", False),
    ("etc/hosts", True),
    ("tmp/x", True),
)
"""The paths that were to be deleted, and whether people approved that."""


async def fill(folder: Path) -> None:
    """A store in which a client has made these calls, and a supervisor has decided on them."""
    async with world(folder, toolbox=files()) as it:
        for path, yes in CALLS:
            ticket = await it.bridge.call_tool(HOST, "files__delete", {"path": path}, wait_s=5)
            (approval,) = ticket.approvals
            if yes:
                await it.bridge.approve_call(SUPERVISOR, approval)
            else:
                await it.bridge.reject_call(SUPERVISOR, approval)
            await it.bridge.wait_for(HOST, ticket.id, timeout_s=5)
        await it.bridge.call_tool(HOST, "files__list", {}, wait_s=5)
        assert len(await it.bridge.list_approvals(OWNER, status="any")) == len(CALLS)
        # What is told is told by the logs: the feed forgets.
        assert await it.store.feed.prune(await it.store.feed.head()) > len(CALLS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    anyio.run(fill, folder)
    (folder / "policy.md").write_text("Deleting in notes/ is fine.", "utf-8")
    (folder / "reviewer.toml").write_text(SCRIPT, "utf-8")
    return folder


def command(home: Path, words: Sequence[str], settings: str, monkeypatch: pytest.MonkeyPatch) -> int:
    (home / "bridge.toml").write_text(settings, "utf-8")
    monkeypatch.setenv("BRIDGE_MCP_STATE_DIR", str(home))
    monkeypatch.setenv("BRIDGE_MCP_CONFIG", str(home / "bridge.toml"))
    monkeypatch.setenv("COLUMNS", "200")
    before = (home / "bridge.db").read_bytes()
    code = run(words)
    assert (home / "bridge.db").read_bytes() == before, "it only reads"
    return code


@pytest.mark.shows("approvals.replay")
def test_a_policy_is_tried_on_what_people_decided(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(home, ["review", "--replay", "--json"], CONFIG, monkeypatch) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"false approval": 1, "false rejection": 1, "escalates": 1, "agrees": 4}
    assert [each["kind"] for each in told["calls"]][:3] == ["false approval", "false rejection", "escalates"]
    assert command(home, ["review", "--replay", "--limit", "2"], CONFIG, monkeypatch) == 0
    assert "2 of 2 calls were looked at" in capsys.readouterr().out
    assert (told["of"], told["stopped"], told["cost_usd"]) == (7, "", 0)
    assert told["unpriced_calls"] == 0


def test_what_trying_a_policy_takes_is_summed_and_bounded(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    most = ["review", "--replay", "--max-tokens", "1500"]
    assert command(home, [*most, "--json"], CONFIG, monkeypatch) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["stopped"] == "--max-tokens 1500"
    assert 0 < len(told["calls"]) < 7
    assert command(home, most, CONFIG, monkeypatch) == 0
    out = capsys.readouterr().out
    assert f"It took {len(told['calls'])} calls, 0 tokens in" in out, "as the scripted model tells"
    assert "It stopped at --max-tokens 1500." in out
    assert command(home, ["review", "--replay", "--max-usd", "0", "--json"], CONFIG, monkeypatch) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == []


def test_a_model_that_costs_money_is_asked_only_where_the_owner_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paid = CONFIG.replace('"scripted"\nscript = "reviewer.toml"', '"openai/x"\nbase_url = "http://127.0.0.1:9/v1"')
    assert command(home, ["review", "--replay"], paid, monkeypatch) == 1
    assert "7 calls, with what was said before them, go to openai/x" in capsys.readouterr().err
    assert command(home, ["review"], CONFIG, monkeypatch) == 1
    assert command(home, ["review", "--replay", "--since", "soon"], CONFIG, monkeypatch) == 1
    assert command(home, ["review", "--replay", "--model", "none"], CONFIG, monkeypatch) == 1


@pytest.mark.shows("approvals.rehearse")
@pytest.mark.parametrize(
    ("settings", "now"),
    [
        ("[channels.local]\ntype = 'local'\n", {"ask": 7, "run": 1}),
        ("[channels.local]\ntype = 'local'\n[approvals]\nconfirmation = 'required'\n", {"ask": 8}),
        ("[channels.local]\ntype = 'local'\n[approvals]\nconfirmation = 'never'\n", {"run": 8}),
        (CONFIG, {"review": 7, "run": 1}),
    ],
    ids=["as it was", "required", "never", "reviewed"],
)
def test_the_logs_under_other_settings(
    home: Path,
    settings: str,
    now: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(home, ["approvals", "rehearse", "--json"], settings, monkeypatch) == 0
    told = [each["now"] for each in json.loads(capsys.readouterr().out)["calls"]]
    assert {word: told.count(word) for word in told} == now
    assert command(home, ["approvals", "rehearse"], settings, monkeypatch) == 0
    assert "8 calls: " in capsys.readouterr().out


# -- grants that would have saved prompts ------------------------------------------------------------------------


def seen(*paths: str, approved: bool = True, place: str = "calls/host.1") -> list[Seen]:
    return [Seen(place, "files__delete", json.dumps({"path": path}), approved) for path in paths]


PATH = '{"type":"object","properties":{"path":{"type":"string"}}}'


def spec(schema: str = PATH) -> dict[str, ToolSpec]:
    return {"files__delete": replace(spec_of("files__delete"), schema=schema)}


@pytest.mark.shows("approvals.suggest")
def test_a_call_that_was_always_approved_word_for_word_is_suggested_and_covers_nothing_else() -> None:
    (one,) = suggestions(seen("a*", "a*", "b"), spec())
    assert (one.arguments, one.saves, one.place) == ((("path", "a[*]"),), 1, "calls/host")
    grant = Grant(1, one.tool, one.place, one.arguments)
    covered = [path for path in ("a*", "ab", "a", "b", "a*/..") if grant.covers(
        one.tool, parse_arguments(json.dumps({"path": path})), "calls/host.9", 0.0)]  # fmt: skip
    assert covered == ["a*"]


@pytest.mark.parametrize(
    ("calls", "schema", "why"),
    [
        (seen("a", "b"), PATH, "no call was made twice"),
        (seen("a", "a"), PATH.replace('"path"', '"path":{},"force"'), "leave these arguments free: force"),
        (seen("a", "a"), "{}", "names no arguments"),
        ([*seen("a", "a"), *seen("c", approved=False)], PATH, ""),
        (seen("a"), PATH, ""),
        ([*seen("a"), *seen("a", place="local/main")], PATH, ""),
    ],
)
def test_what_would_be_broader_than_what_was_seen_is_not(calls: list[Seen], schema: str, why: str) -> None:
    found = suggestions(calls, spec(schema))
    assert all(each.why_not and why in each.why_not for each in found)
    assert bool(found) == bool(why)


def test_the_command_names_no_grant_for_a_tool_of_which_a_call_was_rejected(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(home, ["approvals", "suggest"], "[channels.local]\ntype = 'local'\n", monkeypatch) == 0
    assert capsys.readouterr().out == "Nothing that people always approved was asked twice.\n"


# -- what an outside checker is given --------------------------------------------------------------------------


@pytest.mark.shows("approvals.export")
def test_every_call_is_told_once_with_who_asked_who_decided_and_what_came_of_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = "[channels.local]\ntype = 'local'\n"
    assert command(home, ["approvals", "export", "--since", "1h", "--jsonl"], settings, monkeypatch) == 0
    lives = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["tool"] for each in lives] == ["files__delete"] * len(CALLS) + ["files__list"]
    assert len({each["conversation"] for each in lives}) == len(lives)
    for (path, yes), life in zip(CALLS, lives, strict=False):
        assert json.loads(life["arguments"]) == {"path": path}
        assert (life["requested_by"], life["decided_by"]) == (HOST.name, SUPERVISOR.name)
        assert (life["verdict"], life["outcome"]) == (("approved", "ok") if yes else ("rejected", "denied"))
        assert life["digest"] == life["decided_digest"] == (life["ran_digest"] or life["digest"])
        assert bool(life["started_at"]) == yes
        assert life["requested_at"] <= life["asked_at"] <= life["decided_at"] <= life["finished_at"]
    assert (lives[-1]["cleared_by"], lives[-1]["verdict"]) == ("read-only", "")
    assert command(home, ["approvals", "export"], settings, monkeypatch) == 0
    assert f"asked by {HOST.name}: rejected by {SUPERVISOR.name}" in capsys.readouterr().out

    assert command(home, ["log", lives[0]["conversation"], "--jsonl"], settings, monkeypatch) == 0
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["kind"] for each in entries] == ["Requested", "Asked", "Judged", "Started", "Finished"]
    assert {each["conversation"] for each in entries} == {lives[0]["conversation"]}


@pytest.mark.shows("approvals.export-whole")
def test_calls_whose_events_were_forgotten_are_exported(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(home, ["approvals", "export", "--jsonl"], CONFIG, monkeypatch) == 0
    lives = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    deletes = [each for each in lives if each["tool"] == "files__delete"]
    paths = [json.loads(each["arguments"])["path"] if isinstance(each["arguments"], str) else each["arguments"]["path"]
             for each in deletes]  # fmt: skip
    assert paths == [path for path, _ in CALLS], "the oldest first"
    assert [each["verdict"] for each in deletes] == ["approved" if yes else "rejected" for _, yes in CALLS]
    assert len(lives) == len(CALLS) + 1, "and one that needed nobody"
    assert command(home, ["approvals", "rehearse", "--json"], CONFIG, monkeypatch) == 0
    assert len(json.loads(capsys.readouterr().out)["calls"]) == len(CALLS) + 1
