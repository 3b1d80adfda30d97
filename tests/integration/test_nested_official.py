"""The servers of the MCP project itself, nested: real work with each of them."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.servers import official
from tests.servers.launch import MemoryFiles, opened

PAGES = {
    "/robots.txt": ("text/plain", "User-agent: *\nDisallow: /private\n"),
    "/tides": ("text/html", "<html><body><article><h1>Tides</h1><p>High at four.</p></article></body></html>"),
    "/private/diary": ("text/html", "<html><body>Dear diary</body></html>"),
}


class Pages(BaseHTTPRequestHandler):
    """Gives what stands in `PAGES`."""

    def do_GET(self) -> None:
        kind, text = PAGES.get(self.path, ("", ""))
        self.send_response(200 if kind else 404)
        self.send_header("content-type", kind or "text/plain")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def pages() -> Generator[str]:
    """The address of a small web site on loopback."""
    site = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = Thread(target=site.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{site.server_port}"
    finally:
        site.shutdown()
        thread.join()
        site.server_close()


def run_git(folder: Path, *words: str) -> str:
    """What git says in this folder."""
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


async def test_the_time_server() -> None:
    async with opened(official.time()) as at:
        assert [spec.name for spec in at.box.tools()] == ["time__convert_time", "time__get_current_time"]
        assert all(spec.read_only for spec in at.box.tools())
        noon = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        assert await at.box.check(at.spec("convert_time"), noon) == ""
        assert await at.box.check(at.spec("convert_time"), {"time": "12:00"})
        result = await at.box.call(at.spec("convert_time"), noon)
        assert "T21:00:00+09:00" in result.text
        assert "T21:00:00+09:00" in result.structured
        failed = await at.box.call(at.spec("convert_time"), {**noon, "source_timezone": "Mars"})
        assert failed.is_error
        assert "Mars" in failed.text


async def test_server_everything() -> None:
    async with opened(official.everything(), files=MemoryFiles()) as at:
        assert at.error("everything") == ""
        assert {"everything__echo", "everything__get-sum"} <= {spec.name for spec in at.box.tools()}
        assert await at.text("echo", message="hello") == "Echo: hello"
        assert "is 5" in await at.text("get-sum", a=2, b=3)
        told = await at.box.check(at.spec("get-sum"), {"a": 2, "b": "3"})
        assert told.startswith('At \'b\': "3" is not of type "number"')
        image = await at.box.call(at.spec("get-tiny-image"), {})
        assert [(part.kind, part.mime) for part in image.attachments] == [("image", "image/png")]
        assert "[image image/png, 4,033 bytes]" in image.text
        weather = await at.box.call(at.spec("get-structured-content"), {"location": "New York"})
        assert weather.structured == '{"conditions":"Cloudy","humidity":82,"temperature":33}'
        assert "demo://resource/dynamic" in await at.text("get-resource-links", count=2)


async def test_resources_that_server_everything_makes_while_it_runs_can_be_read() -> None:
    server = official.everything(allowed_resources=("demo://resource/*",))
    async with opened(server, files=MemoryFiles()) as at:
        assert "note.gz" not in await at.text("read_resource")
        made = {"name": "note.gz", "data": "data:text/plain,hello", "outputType": "resourceLink"}
        assert not (await at.box.call(at.spec("gzip-file-as-resource"), made)).is_error
        assert "note.gz" in await at.text("read_resource")
        await at.until(lambda: "note.gz" in at.spec("read_resource").gives)  # the server says that its list has changed
        packed = await at.box.call(at.spec("read_resource"), {"uri": "demo://resource/session/note.gz"})
        assert [part.mime for part in packed.attachments] == ["application/gzip"]


async def test_the_filesystem_server_reads_and_writes_below_its_root(tmp_path: Path) -> None:
    root = tmp_path / "allowed"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    async with opened(official.filesystem(root)) as at:
        path = root / "note.txt"
        note = str(path)
        await at.text("write_file", path=note, content="one\ntwo\n")
        assert path.read_text() == "one\ntwo\n"
        assert await at.text("read_text_file", path=note, head=1) == "one"
        await at.text("edit_file", path=note, edits=[{"oldText": "two", "newText": "three"}])
        await at.text("move_file", source=note, destination=str(root / "moved.txt"))
        assert await at.text("list_directory", path=str(root)) == "[FILE] moved.txt"
        assert (root / "moved.txt").read_text() == "one\nthree\n"
        outside = await at.box.call(at.spec("read_text_file"), {"path": str(tmp_path / "secret.txt")})
        assert outside.is_error
        assert "secret.txt" in outside.text
        reading = {spec.tool for spec in at.box.tools() if spec.read_only}
        assert {"read_text_file", "list_directory"} <= reading
        assert not {"write_file", "edit_file", "move_file", "create_directory"} & reading


async def test_the_memory_servers_graph_outlives_the_server(tmp_path: Path) -> None:
    server = official.memory(tmp_path / "graph.jsonl")
    ann = {"name": "Ann", "entityType": "person", "observations": ["sails"]}
    async with opened(server) as at:
        await at.text("create_entities", entities=[ann, {**ann, "name": "Bob"}])
        await at.text("create_relations", relations=[{"from": "Ann", "to": "Bob", "relationType": "knows"}])
    async with opened(server) as at:
        result = await at.box.call(at.spec("search_nodes"), {"query": "sails"})
        assert '"relationType":"knows"' in result.structured
        await at.text("delete_entities", entityNames=["Bob"])
        assert "Bob" not in await at.text("read_graph")


async def test_the_git_server_tells_of_a_repository_and_commits(tmp_path: Path) -> None:
    here, server = str(tmp_path), official.git(tmp_path)
    run_git(tmp_path, "config", "user.email", "ann@example.org")
    run_git(tmp_path, "config", "user.name", "Ann")
    (tmp_path / "tides.txt").write_text("high\n")
    async with opened(server) as at:
        assert "tides.txt" in await at.text("git_status", repo_path=here)
        await at.text("git_add", repo_path=here, files=["tides.txt"])
        assert "+high" in await at.text("git_diff_staged", repo_path=here)
        await at.text("git_commit", repo_path=here, message="The tides")
        assert "The tides" in await at.text("git_log", repo_path=here)
        assert "clean" in await at.text("git_status", repo_path=here)
    assert run_git(tmp_path, "log", "--format=%an %s") == "Ann The tides\n"


async def test_the_fetch_server_reads_pages_as_their_robots_txt_allows() -> None:
    with pages() as site:
        async with opened(official.fetch()) as at:
            assert "High at four." in await at.text("fetch", url=f"{site}/tides")
            refused = await at.box.call(at.spec("fetch"), {"url": f"{site}/private/diary"})
            assert refused.is_error
            assert "robots.txt" in refused.text
            assert "Dear diary" not in refused.text
            missing = await at.box.call(at.spec("fetch"), {"url": f"{site}/nothing"})
            assert missing.is_error
