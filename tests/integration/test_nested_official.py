"""Two servers of the MCP project itself, nested: the time server (Python) and server-everything (Node)."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from bridge_mcp.toolservers.settings import ToolServer
from tests.servers.launch import MemoryFiles, opened

EVERYTHING = "@modelcontextprotocol/server-everything@2026.8.31"


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> ToolServer:
    """server-everything over stdio, installed once and kept beside the temporary folders of other runs."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("server-everything needs npm, which is not installed here")
    folder = tmp_path_factory.getbasetemp().parent / EVERYTHING.replace("/", "-")
    command = folder / "node_modules" / ".bin" / "mcp-server-everything"
    if not command.exists():
        install = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", EVERYTHING]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"npm could not install {EVERYTHING}: {done.stderr.strip()[-300:]}")
    return ToolServer("everything", command=str(command), args=("stdio",))


async def test_the_time_server() -> None:
    server = ToolServer("time", command=sys.executable, args=("-m", "mcp_server_time", "--local-timezone", "UTC"))
    async with opened(server) as at:
        assert [spec.name for spec in at.box.tools()] == ["time__convert_time", "time__get_current_time"]
        assert all(spec.read_only for spec in at.box.tools())
        noon = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        assert at.box.check(at.spec("convert_time"), noon) == ""
        assert at.box.check(at.spec("convert_time"), {"time": "12:00"})
        result = await at.box.call(at.spec("convert_time"), noon)
        assert "T21:00:00+09:00" in result.text
        assert "T21:00:00+09:00" in result.structured
        failed = await at.box.call(at.spec("convert_time"), {**noon, "source_timezone": "Mars"})
        assert failed.is_error
        assert "Mars" in failed.text


async def test_server_everything(everything: ToolServer) -> None:
    async with opened(everything, files=MemoryFiles()) as at:
        assert at.error("everything") == ""
        assert {"everything__echo", "everything__get-sum"} <= {spec.name for spec in at.box.tools()}
        assert await at.text("echo", message="hello") == "Echo: hello"
        assert "is 5" in await at.text("get-sum", a=2, b=3)
        assert at.box.check(at.spec("get-sum"), {"a": 2, "b": "3"}).startswith("At 'b': '3' is not of type 'number'")
        image = await at.box.call(at.spec("get-tiny-image"), {})
        assert [(part.kind, part.mime) for part in image.attachments] == [("image", "image/png")]
        assert "[image image/png, 4,033 bytes]" in image.text
        weather = await at.box.call(at.spec("get-structured-content"), {"location": "New York"})
        assert weather.structured == '{"conditions":"Cloudy","humidity":82,"temperature":33}'
        assert "demo://resource/dynamic" in await at.text("get-resource-links", count=2)
