"""Calls to a nested server over stdio: what becomes of each kind of answer, and of a call that gets none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.core.errors import ToolFailed, ToolUncertain
from bridge_mcp.toolservers.results import MAX_TEXT
from bridge_mcp.toolservers.settings import ToolRule
from tests.servers.launch import MemoryFiles, eventually, lines_of, module, opened


@pytest.mark.shows("tool-servers.results")
async def test_every_kind_of_answer_is_told_in_full() -> None:
    async with opened(module("workbench")) as at:
        assert await at.text("echo", text="é", times=3) == "ééé"

        both = await at.box.call(at.spec("point"), {"x": 1, "y": -2})
        assert json.loads(both.text) == {"x": 1, "y": -2}
        assert both.structured == '{"x":1,"y":-2}'

        alone = await at.box.call(at.spec("structured_only"), {})
        assert alone.text == alone.structured == '{"a":"é","b":[1,2]}'

        assert await at.text("everything") == "\n".join(
            [
                "text",
                "[audio audio/wav, 5 bytes: left out]",
                "[resource link notes, file:///notes.txt, text/plain, 7 bytes]",
                "[resource mem:///a]",
                "held text",
                "[resource mem:///b, image/gif, 3 bytes: left out]",
            ]
        )
        failed = await at.box.call(at.spec("fails"), {})
        assert failed.is_error
        assert "fails" in failed.text


@pytest.mark.shows("tool-servers.asks-back")
async def test_a_server_that_asks_for_a_form_is_told_that_there_is_none() -> None:
    async with opened(module("workbench")) as at:
        with pytest.raises(ToolFailed, match="elicitation"):
            await at.box.call(at.spec("asks_back"), {})
        assert await at.text("echo", text="still there") == "still there"


@pytest.mark.shows("tool-servers.results")
async def test_the_bytes_of_results_are_kept_as_files() -> None:
    files = MemoryFiles()
    async with opened(module("workbench"), files=files) as at:
        result = await at.box.call(at.spec("picture"), {})
        assert result.text == "look:\n[image image/png, 70 bytes]"
        (image,) = result.attachments
        assert (image.kind, image.mime, image.size) == ("image", "image/png", 70)
        assert (await files.read(image.ref)).startswith(b"\x89PNG")

        result = await at.box.call(at.spec("everything"), {})
        assert [(kept.kind, kept.mime, kept.name, kept.size) for kept in result.attachments] == [
            ("audio", "audio/wav", "", 5),
            ("file", "application/octet-stream", "b", 3),  # declared as image/gif, which its bytes are not
        ]
        assert "[audio audio/wav, 5 bytes]" in result.text
        assert "[resource mem:///b, image/gif, 3 bytes]" in result.text

        result = await at.box.call(at.spec("big_picture"), {"size": 3_000_000})
        assert result.text == "[image image/png, 3,000,000 bytes: left out. 3,000,000 bytes are too many.]"
        assert result.attachments == ()
        (kept,) = (await at.box.call(at.spec("big_picture"), {"size": 1_000_000})).attachments
        assert files.kept[kept.ref] == b"\0" * 1_000_000


async def test_long_text_says_how_much_was_cut_and_where_it_is_whole() -> None:
    files = MemoryFiles()
    async with opened(module("workbench"), files=files) as at:
        whole = await at.box.call(at.spec("echo"), {"text": "x", "times": MAX_TEXT})
        assert (whole.text, whole.truncated, whole.attachments) == ("x" * MAX_TEXT, False, ())
        cut = await at.box.call(at.spec("echo"), {"text": "x", "times": MAX_TEXT + 1000})
        text, note = cut.text.split("\n")
        assert cut.truncated
        assert len(cut.text) <= MAX_TEXT
        left_out = MAX_TEXT + 1000 - len(text)
        assert note == (
            f"[cut here: the result has {MAX_TEXT + 1000:,} characters, {left_out:,} of them are left out, "
            "whole in the file result.txt]"
        )
        (kept,) = cut.attachments
        assert files.kept[kept.ref] == b"x" * (MAX_TEXT + 1000)
        assert (kept.mime, kept.name) == ("text/plain", "result.txt")


async def test_a_structured_result_that_is_too_long_is_whole_in_a_file() -> None:
    files = MemoryFiles()
    async with opened(module("wild", "huge_structure"), files=files) as at:
        result = await at.box.call(at.spec("go"), {})
        assert result.structured == ""
        assert result.truncated
        what = "[structured result, 300,008 characters: too long to keep here, whole in the file result.json]"
        assert result.text == what
        assert json.loads(files.kept[result.attachments[0].ref]) == {"a": "x" * 300_000}


@pytest.mark.shows("tool-servers.environment")
async def test_the_child_sees_only_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "12345:secret")
    monkeypatch.setenv("WANTED", "yes")
    monkeypatch.setenv("LC_TIME", "C")
    async with opened(module("workbench", env={"OWN": "1"}, env_pass=("WANTED", "NOT_SET"))) as at:
        names = set((await at.text("environment")).split())
    assert {"PATH", "LC_TIME", "WANTED", "OWN"} <= names
    assert not any(re.search("TOKEN|SECRET|KEY|PASSW", name) for name in names)
    assert "NOT_SET" not in names


@pytest.mark.shows("tool-servers.comes-back")
async def test_a_crash_in_mid_call_is_uncertain_and_the_server_comes_back(tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    async with opened(module("workbench", "--effects", str(effects))) as at:
        before = await at.text("process_id")
        with pytest.raises(ToolUncertain, match=r"'crash' was running; it may have taken effect .*code 3.*caught fire"):
            await at.box.call(at.spec("crash"), {})
        assert await at.text("process_id") != before
        with pytest.raises(ToolFailed, match="only reads, so nothing was changed") as error:
            await at.box.call(at.spec("crash_reading"), {})
        assert not isinstance(error.value, ToolUncertain)
        assert await at.text("echo", text="back") == "back"
        assert lines_of(effects) == ["crash"]
        (status,) = at.box.status()
        assert (status.state, status.restarts) == ("ready", 2)


async def test_a_call_beside_a_crash_is_uncertain_too(tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    async with opened(module("workbench", "--effects", str(effects))) as at:

        async def hang() -> None:
            with pytest.raises(ToolUncertain, match="'hang' was running"):
                await at.box.call(at.spec("hang"), {})

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hang)
            await eventually(lambda: lines_of(effects) == ["hang"])
            with pytest.raises(ToolUncertain, match="'crash' was running"):
                await at.box.call(at.spec("crash"), {})


async def test_a_call_that_takes_too_long_is_cancelled_at_the_server(tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    rules = (ToolRule("hang", timeout_s=0.5), ToolRule("hang_*", timeout_s=0.2))
    async with opened(module("workbench", "--effects", str(effects), tools=rules)) as at:
        with pytest.raises(ToolUncertain, match=r"no answer within 0\.5 s; it may have taken effect .*timeout_s of"):
            await at.box.call(at.spec("hang"), {})
        await eventually(lambda: lines_of(effects) == ["hang", "cancelled"])
        with pytest.raises(ToolFailed, match="only reads") as error:
            await at.box.call(at.spec("hang_reading"), {})
        assert not isinstance(error.value, ToolUncertain)
        assert await at.text("echo", text="still here") == "still here"
        assert at.box.status()[0].restarts == 0


async def test_cancelling_a_call_cancels_it_at_the_server(tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    async with opened(module("workbench", "--effects", str(effects))) as at:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(at.text, "hang")
            await eventually(lambda: lines_of(effects) == ["hang"])
            tasks.cancel_scope.cancel()
        await eventually(lambda: lines_of(effects) == ["hang", "cancelled"])
        assert await at.text("echo", text="still here") == "still here"


async def test_arguments_that_are_no_json_are_not_sent() -> None:
    async with opened(module("wild", "chatter")) as at:
        with pytest.raises(ToolFailed, match=r"was not called.*UTF-16"):
            await at.text("stay", half="\ud800")
        with pytest.raises(ToolFailed, match=r"was not called.*Infinity"):
            await at.text("stay", number=float("inf"))


async def test_what_was_decided_on_must_still_be_there() -> None:
    async with opened(module("wild", "chatter")) as at:
        stay = at.spec("stay")
        with pytest.raises(ToolFailed, match="has changed what 'stay' takes"):
            await at.box.call(replace(stay, schema='{"type":"string"}'), {})
        with pytest.raises(ToolFailed, match="has no tool 'leave' any more"):
            await at.box.call(replace(stay, tool="leave"), {})
        with pytest.raises(ToolFailed, match="no tool server 'nobody'"):
            await at.box.call(replace(stay, server="nobody"), {})


async def test_many_calls_run_side_by_side() -> None:
    async with opened(module("workbench")) as at:
        answers: list[str] = []

        async def echo(text: str) -> None:
            answers.append(await at.text("echo", text=text))

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(echo, str(number))
        assert sorted(answers, key=int) == [str(number) for number in range(100)]
