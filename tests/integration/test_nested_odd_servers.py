"""Servers that are not what most are: without tools, without templates, with a mark before their first byte, slow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from bridge_mcp.toolservers.settings import ToolServer
from tests.servers.launch import MemoryFiles, opened

INPUTS = Path(__file__).parents[1] / "cases" / "servers"


def given(name: str, *args: str, **settings: Any) -> ToolServer:
    """A server among the inputs, as a stdio server called "odd"."""
    return ToolServer("odd", command=sys.executable, args=(str(INPUTS / name), *args), **settings)


@pytest.mark.parametrize(
    ("kind", "tools"),
    [("resources", ["read_resource"]), ("prompts", ["get_prompt"]), ("bare", ["t"]), ("empty", [])],
)
async def test_a_server_without_tools_is_connected(kind: str, tools: list[str]) -> None:
    server = given("24-no-tools.py", kind, allowed_resources=("*",), allowed_prompts=("*",))
    async with opened(server) as at:
        assert (at.state("odd"), [spec.tool for spec in at.box.tools()]) == ("ready", tools)
        if kind == "resources":
            assert "what it says" in await at.text("read_resource", uri="note://a")
            assert "note://a" in await at.text("read_resource")
        if kind == "prompts":
            assert await at.text("get_prompt", name="p") == "user: say it"
            assert '"p"' in await at.text("get_prompt")
        if kind == "bare":
            assert await at.text("t") == "ran"
        assert at.box.status()[0].restarts == 0


@pytest.mark.parametrize("mark", ["first", "every"])
async def test_a_byte_order_mark_is_read_over(mark: str) -> None:
    async with opened(given("37-bom.py", mark)) as at:
        assert await at.text("t") == "ran"
        assert at.box.status()[0].restarts == 0


IMAGES = {
    # tool: the type of the bytes, as far as they are an image
    "webp-as-png": "image/webp",
    "jpeg-as-png": "image/jpeg",
    "svg": "image/svg+xml",
    "svg-as-png": "application/octet-stream",
    "empty-png": "application/octet-stream",
    "text-as-png": "application/octet-stream",
    "wide-png": "image/png",
    "true-png": "image/png",
    "jpg-name": "image/jpeg",
    "capital": "image/png",
    "with-parameter": "image/png",
}


async def test_an_image_has_the_type_that_its_bytes_are() -> None:
    async with opened(given("21-images.py"), files=MemoryFiles()) as at:
        for tool, mime in IMAGES.items():
            (file,) = (await at.box.call(at.spec(tool), {})).attachments
            assert file.mime == mime, tool
