"""Servers that are not what most are: without tools, without templates, with a mark before their first byte, slow."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.toolservers.environment import child_environment
from bridge_mcp.toolservers.settings import ToolServer
from tests.servers.launch import MemoryFiles, lines_of, module, opened

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


async def test_a_child_that_starts_slowly_is_told_of_and_not_killed_at_its_limit(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with opened(given("27-slow-start.py", str(state), "4", "each", connect_timeout_s=1)) as at:
        assert at.state("odd") == "degraded"
        assert re.search(r"has not answered .* within 1 s.*raise connect_timeout_s", at.error("odd"))

        await at.until(lambda: at.state("odd") == "ready")
        assert await at.text("t") == "ran"
        assert [line.split()[0] for line in lines_of(state)] == ["start", "ready"]


async def test_a_call_waits_for_a_child_that_starts_slowly(tmp_path: Path) -> None:
    state = tmp_path / "state"
    slow = given("27-slow-start.py", str(state), "3", "fresh", connect_timeout_s=0.5, timeout_s=20)
    async with opened(slow) as at:
        spec = ToolSpec("odd__t", "odd", "t", description="t", schema='{"type":"object"}', read_only=True)
        assert (await at.box.call(spec, {})).text == "ran"


async def test_a_server_that_tells_of_changes_all_the_time_is_asked_less_and_less_often(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    async with opened(module("echoing", str(asked))) as at:
        await anyio.sleep(1.5)
        assert 1 < len(lines_of(asked)) < 15
        assert await at.text("go") == "gone"
        assert at.box.status()[0].restarts == 0


PROXY = "http://proxy.example:3128"
WITH_PASSWORD = "http://ann:s3cret-word@proxy.example:3128"


@pytest.mark.shows("tool-servers.environment")
@pytest.mark.parametrize(
    ("ours", "env_pass", "passed"),
    [
        ({"HTTPS_PROXY": PROXY, "no_proxy": "localhost"}, (), {"HTTPS_PROXY", "no_proxy"}),
        ({"HTTPS_PROXY": WITH_PASSWORD}, (), set[str]()),
        ({"HTTPS_PROXY": WITH_PASSWORD}, ("HTTPS_PROXY",), {"HTTPS_PROXY"}),
        ({"UV_INDEX": f"https://ok.example/simple {WITH_PASSWORD}"}, (), set[str]()),
        ({"NODE_EXTRA_CA_CERTS": "/ca.pem", "SSL_CERT_FILE": "/ca.pem"}, (), {"NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"}),
        ({"NPM_TOKEN": "x", "UV_PUBLISH_TOKEN": "x", "PIP_PASSWORD": "x", "AWS_PROFILE": "x"}, (), set[str]()),
        ({"npm_config_registry": "https://npm.example/"}, (), {"npm_config_registry"}),
        ({"npm_config__authToken": "x", "npm_config_//npm.example/:_authToken": "x"}, (), set[str]()),
    ],
)
def test_a_child_gets_the_machines_network_settings_and_no_secret(
    ours: Mapping[str, str], env_pass: tuple[str, ...], passed: set[str]
) -> None:
    server = ToolServer("odd", command="x", env_pass=env_pass)
    assert set(child_environment(server, {"PATH": "/bin", **ours})) == {"PATH", *passed}


async def test_a_child_without_a_network_is_told_what_would_give_it_one(monkeypatch: pytest.MonkeyPatch) -> None:
    says = "npm error code ECONNREFUSED\\nnpm error FetchError: request failed"
    server = ToolServer("odd", command=sys.executable, args=("-c", f"import sys; sys.exit('{says}')"))
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", WITH_PASSWORD)
    async with opened(server) as at:
        assert 'env_pass = ["HTTPS_PROXY"]' in at.error("odd")
        assert "ECONNREFUSED | npm error FetchError" in at.error("odd")
        assert "s3cret" not in at.error("odd")
