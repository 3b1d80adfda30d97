"""Results that bend the protocol's form: the call ran, so what can be read is read, and what cannot is named."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.errors import ToolFailed
from bridge_mcp.toolservers.tolerant_results import call_result
from tests.servers.launch import MemoryFiles, Opened, module, opened, running_on_loopback

CASES = Path(__file__).parents[1] / "cases" / "servers"
RESULTS, MORE = CASES / "23-results.json", CASES / "23-more-results.json"

READ: dict[str, tuple[str, str, bool]] = {
    # tool: text, structured, whether it is an error
    "a-structured-list": ("[1]", "[1]", False),
    "b-no-content": ('{"ok":true}', '{"ok":true}', False),
    "c-content-null": ("", "", False),
    "d-unknown-block": ("done\n[a part that is not as MCP says and was left out: video]", "", False),
    "e-image-without-type": ("done\n[image application/octet-stream, 2 bytes]", "", False),
    "f-is-error-text": ("done", "", False),
    "g-tool-result": ("done", "", False),
    "h-content-text": ("done", "", False),
    "i-structured-null": ("done", "", False),
    "j-meta-null": ("done", "", False),
    "k-empty": ("", "", False),
    "l-empty-content": ("", "", False),
    "m-text-number": ("5", "", False),
    "z-good": ("done", "", False),
}


MORE_READ: dict[str, tuple[str, str, bool]] = {
    "a-structured-string": ("done", '"x"', False),
    "b-block-string": ("done", "", False),
    "c-block-null": ("[an odd part: None]\ndone", "", False),
    "d-no-type": ("done", "", False),
    "e-content-object": ("done", "", False),
    "f-error-1": ("bad", "", True),
    "g-error-true-string": ("bad", "", True),
    "h-resource-no-uri": ("[resource unnamed:]\ninside", "", False),
    "i-link-no-name": ("[resource link file:///a, file:///a]", "", False),
    "j-audio": ("[audio audio/wav, 2 bytes]", "", False),
    "k-image-bad64": ("[image image/png, 2 bytes: not valid base64, left out]\ndone", "", False),
    "l-text-null": ("", "", False),
    "m-text-object": ('{"a": 1}', "", False),
    "n-list-result": ("done", "", False),
    "o-string-result": ("done", "", False),
    "p-null-result": ("", "", False),
    "q-annot-bad": ("done", "", False),
    "r-upper": ("done", "", False),
    "s-extra-result-type": ("done", "", False),
    "u-number": ("[an odd part: 5]", "", False),
    "v-task": ('{"task": {"taskId": "x", "status": "working"}}', "", False),
}


@asynccontextmanager
async def answering(results: Path, way: str) -> AsyncGenerator[Opened]:
    """A server that answers what a file says, reached in one of four ways."""
    files = MemoryFiles()
    if way == "stdio":
        async with opened(module("replies", str(results)), files=files) as at:
            yield at
        return
    more = () if way == "json" else (f"--{way}",)
    async with (
        running_on_loopback(str(results), *more, module="replies") as server,
        opened(server.settings(), files=files) as at,
    ):
        yield at


@pytest.mark.parametrize("way", ["stdio", "json", "stream", "sse"])
@pytest.mark.parametrize(("results", "read"), [(RESULTS, READ), (MORE, MORE_READ)], ids=["known", "more"])
async def test_a_bent_result_is_read_alike_in_every_transport(
    way: str, results: Path, read: dict[str, tuple[str, str, bool]]
) -> None:
    async with answering(results, way) as at:
        for tool, told in read.items():
            result = await at.box.call(at.spec(tool), {})
            assert (result.text, result.structured, result.is_error) == told, tool
        if results == MORE:
            with pytest.raises(ToolFailed, match="asks for input"):
                await at.box.call(at.spec("t-input-required"), {})
        assert [status.restarts for status in at.box.status()] == [0]


@pytest.mark.parametrize("way", ["stdio", "json"])
async def test_an_error_that_is_flagged_by_a_word_is_one(tmp_path: Path, way: str) -> None:
    content = [{"type": "text", "text": "no"}]
    words = {"true": True, "True": True, "yes": True, "false": False, "": False}
    file = tmp_path / "results.json"
    file.write_text(json.dumps({f"t-{word}": {"content": content, "isError": word} for word in words}))
    async with answering(file, way) as at:
        for word, is_error in words.items():
            assert (await at.box.call(at.spec(f"t-{word}"), {})).is_error == is_error, word


def json_values() -> st.SearchStrategy[Any]:
    """Any JSON value, with the words of a result among its keys and texts."""
    words = st.sampled_from(["content", "type", "text", "image", "resource", "data", "mimeType", "uri", "isError", "x"])
    leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | words
    return st.recursive(
        leaves, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(words, deeper), max_leaves=9
    )


@given(raw=st.dictionaries(st.sampled_from(["content", "structuredContent", "isError", "_meta", "x"]), json_values()))
def test_any_object_can_be_read_as_a_result(raw: dict[str, Any]) -> None:
    result = call_result(raw)
    content: object = raw.get("content")
    if isinstance(content, list):
        assert len(result.content) == len(cast("list[object]", content))
