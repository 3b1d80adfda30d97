"""Servers that break the rules of the wire: what they say arrives where it can, and hurts nobody where it cannot."""

from __future__ import annotations

import re

import pytest

from bridge_mcp.core.errors import ToolFailed, ToolUncertain
from tests.servers.launch import module, opened


async def test_half_characters_and_bad_bytes_are_replaced() -> None:
    async with opened(module("wild", "surrogates")) as at:
        assert await at.text("go") == "a\ufffdb\ufffd"


async def test_a_number_that_json_does_not_know_becomes_a_word() -> None:
    async with opened(module("wild", "not_a_number")) as at:
        assert (await at.box.call(at.spec("go"), {})).structured == '{"n":"NaN"}'


async def test_an_answer_that_is_too_deep_is_told_and_the_server_stays() -> None:
    async with opened(module("wild", "deep")) as at:
        result = await at.box.call(at.spec("go"), {})
        assert (result.is_error, result.truncated) == (True, True)
        assert result.text.startswith("It ran, but it gave an answer that cannot be read: It is nested more than 200")
        assert await at.text("stay") == "stayed"
        assert at.box.status()[0].restarts == 0


async def test_a_structured_result_that_is_too_deep_for_others_is_named_and_its_text_is_there() -> None:
    async with opened(module("wild", "rather_deep")) as at:
        result = await at.box.call(at.spec("go"), {})
        assert (result.is_error, result.structured, result.truncated) == (False, "", True)
        assert result.text.startswith("ran\n[structured result, 306 characters: nested more than 128 levels deep")


async def test_an_error_of_the_server_is_its_answer() -> None:
    async with opened(module("wild", "server_error")) as at:
        result = await at.box.call(at.spec("go"), {})
        assert (result.is_error, result.text) == (True, "The server answered with error -32050: the disk is full")


async def test_a_refused_request_did_not_run() -> None:
    async with opened(module("wild", "refusal")) as at:
        with pytest.raises(ToolFailed, match="turned the call of 'go' down: no such argument") as error:
            await at.text("go")
        assert not isinstance(error.value, ToolUncertain)


async def test_an_answer_that_is_none_leaves_the_call_uncertain_and_the_server_connected() -> None:
    async with opened(module("wild", "nonsense")) as at:
        with pytest.raises(ToolUncertain, match="'go' was running; it may have taken effect"):
            await at.text("go")
        assert await at.text("stay") == "stayed"
        assert at.box.status()[0].restarts == 0


async def test_lines_that_are_no_messages_are_passed_over() -> None:
    async with opened(module("wild", "chatter")) as at:
        assert await at.text("go") == "gone"
        assert await at.text("stay") == "stayed"
        assert at.box.status()[0].restarts == 0


async def test_a_line_without_an_end_ends_the_connection() -> None:
    async with opened(module("wild", "endless_line")) as at:
        with pytest.raises(ToolUncertain, match="more than 33,554,432 bytes"):
            await at.text("go")
        assert await at.text("stay") == "stayed"
        assert at.box.status()[0].restarts == 1


@pytest.mark.parametrize("way", ["huge_result", "huge_result_late_id"])
async def test_an_answer_that_is_too_large_is_dropped_and_told(way: str) -> None:
    async with opened(module("wild", way)) as at:
        result = await at.box.call(at.spec("go"), {})
        assert (result.is_error, result.truncated) == (True, True)
        assert re.fullmatch(
            r"It ran, but it gave an answer of 40,000,\d+ bytes, more than the .* at once\.", result.text
        )
        assert await at.text("stay") == "stayed"
        assert at.box.status()[0].restarts == 0


async def test_progress_reaches_whoever_asked_for_it() -> None:
    async with opened(module("wild", "progress")) as at:
        told: list[tuple[float, float | None, str]] = []

        def hear(done: float, total: float | None, words: str) -> None:
            told.append((done, total, words))

        result = await at.box.call(at.spec("go"), {}, progress=hear)
        assert (result.text, told) == ("True", [(1, 3, "a third"), (3, None, "")])
        assert await at.text("go") == "False"


async def test_a_request_that_cannot_reach_the_server_is_sent_to_its_successor() -> None:
    async with opened(module("wild", "deaf")) as at:
        assert await at.text("go") == "closed"
        assert await at.text("stay") == "stayed"
        assert at.box.status()[0].restarts == 1


async def test_a_server_that_dies_of_the_newer_era_is_asked_in_the_older_one() -> None:
    async with opened(module("wild", "dies_of_the_new_era")) as at:
        await at.until(lambda: at.state("wild") == "ready")
        assert {spec.tool for spec in at.box.tools()} == {"go", "stay"}


async def test_results_are_not_held_against_the_output_schema() -> None:
    async with opened(module("odd", "--names", "go")) as at:
        result = await at.box.call(at.spec("go"), {})
        assert (result.text, result.structured, result.is_error) == ("go", '{"n":"not a number"}', False)
