"""Sends odd requests to the HTTP face and looks at what comes back: python -m tests.integration.http_fuzzing SEED COUNT

There is no OpenAPI document that a general fuzzer could start from: MCP is one path and one envelope. What holds of
every answer is in `problem_of`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from mcp.shared.inbound import encode_header_value

from tests.integration.face_child import ALL, CLIENTS, READER, running
from tests.integration.test_scopes import serving

__all__ = ["fuzzed"]

WAIT_S = 20.0
PAGE = "http://page.example"
METHODS = ("initialize", "ping", "tools/list", "tools/call", "resources/read", "resources/subscribe", "prompts/get",
           "prompts/list", "tasks/get", "tasks/cancel", "subscriptions/listen", "notifications/cancelled",
           "notifications/initialized", "completion/complete", "logging/setLevel", "no/such")  # fmt: skip
TOOLS = ("list_channels", "get_status", "read_messages", "send_message", "list_tools", "call_tool", "wait_for",
         "fetch_attachment", "search_messages", "approve_call", "run_turn", "", "no_such")  # fmt: skip
NAMES = ("conversation", "text", "limit", "ticket", "message", "arguments", "tool", "query", "wait_s", "timeout_s",
         "uri", "name", "taskId", "requestId", "protocolVersion", "_meta", "cursor", "level", "ref")  # fmt: skip
TEXTS = ("", "local/main", "local/../x", "bridge://channels", "\0", "\ud83d", "ﷺ" * 50, "a" * 5000, "%2e%2e", "\u202e",
         "turn:local/main#1", "-1", "null", "${jndi:x}", "<script>", "2025-11-25", "2026-07-28")  # fmt: skip
VERSIONS = ("", "2025-11-25", "2025-06-18", "2026-07-28", "1999-01-01", "é", "2026-07-28, 2025-11-25")


class Odd:
    """Makes requests out of a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.sessions: list[str] = [""]

    def value(self, depth: int = 0) -> Any:
        """Any JSON value, more often a small one."""
        pick = self.random.random()
        if depth < 4 and pick < 0.25:
            return {self.random.choice(NAMES): self.value(depth + 1) for _ in range(self.random.randrange(4))}
        if depth < 4 and pick < 0.35:
            return [self.value(depth + 1) for _ in range(self.random.randrange(4))]
        if pick < 0.75:
            return self.random.choice(TEXTS)
        return self.random.choice((None, True, False, 0, -1, 7, 2**63, 10**400, 0.5, 1e308, float("nan"), float("inf")))

    def params(self, method: str, version: str) -> Any:
        if self.random.random() < 0.15:
            return self.value()
        made: dict[str, Any] = {self.random.choice(NAMES): self.value(1) for _ in range(self.random.randrange(3))}
        if method == "tools/call":
            arguments: dict[str, Any] = {
                self.random.choice(NAMES): self.value(2) for _ in range(self.random.randrange(4))
            }
            arguments |= {"timeout_s": 0, "wait_s": 0}
            made |= {"name": self.random.choice(TOOLS), "arguments": arguments}
        if method == "initialize" and self.random.random() < 0.7:
            made |= {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "f", "version": "1"}}
        if self.random.random() < 0.5:
            made["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": version,
                "io.modelcontextprotocol/clientCapabilities": {} if self.random.random() < 0.5 else self.value(2),
            }
        return made

    def body(self, method: str, version: str) -> bytes:
        message: Any = {"jsonrpc": "2.0", "id": self.random.choice((1, "a", 0, -1, None, 1.5, [], 2**70)),
                        "method": method, "params": self.params(method, version)}  # fmt: skip
        for name in list(message):
            if self.random.random() < 0.05:
                del message[name]
        if self.random.random() < 0.05:
            message = self.random.choice(([message, message], [], "x", 7, None))
        data = json.dumps(message).encode()
        if self.random.random() < 0.2:
            data = self.broken(data)
        return data

    def broken(self, data: bytes) -> bytes:
        """What is left of a body when something went wrong with it."""
        at = self.random.randrange(len(data) + 1)
        return self.random.choice((
            data[:at], data[:at] + b"\xff" + data[at:], b"[" * 3000, b'{"a":' * 3000, b"", b"\xef\xbb\xbf" + data,
            data[:at] + self.random.randbytes(4) + data[at:], b" " * 1000 + data, data + data,
        ))  # fmt: skip

    def nearly_right(self) -> bytes:
        """A request that is odd in its parameters alone."""
        method = self.random.choice(METHODS[1:])
        modern = self.random.random() < 0.5
        version = "2026-07-28" if modern else "2025-11-25"
        params = self.params(method, version)
        if isinstance(params, dict) and modern:
            params["_meta"] = {"io.modelcontextprotocol/protocolVersion": version,
                               "io.modelcontextprotocol/clientCapabilities": {}}  # fmt: skip
        fields = cast("dict[str, Any]", params) if isinstance(params, dict) else dict[str, Any]()
        named = next((fields[key] for key in ("name", "uri", "taskId") if isinstance(fields.get(key), str)), "x")
        lines = {"Host": "localhost", "Authorization": f"Bearer {ALL}", "Content-Type": "application/json",
                 "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": version}  # fmt: skip
        if modern:
            lines |= {"Mcp-Method": method, "Mcp-Name": encode_header_value(named)}
        elif self.sessions[-1]:
            lines["Mcp-Session-Id"] = self.random.choice(self.sessions[1:])
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        return written("POST", "/mcp", list(lines.items()), body, len(body))

    def hello(self) -> bytes:
        """The beginning of a session."""
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "f", "version": "1"}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).encode()
        lines = {"Host": "localhost", "Authorization": f"Bearer {ALL}", "Content-Type": "application/json",
                 "Accept": "application/json, text/event-stream"}  # fmt: skip
        return written("POST", "/mcp", list(lines.items()), body, len(body))

    def request(self) -> bytes:
        """One whole request, head and body, as bytes: no client would send most of them."""
        chance, pick = self.random.random, self.random.choice
        method, version = pick(METHODS), pick(VERSIONS)
        verb = "POST" if chance() < 0.8 else pick(("GET", "DELETE", "PUT", "OPTIONS", "HEAD", "TRACE", "X"))
        path = (
            "/mcp"
            if chance() < 0.85
            else pick(("/", "/mcp/", "/mcp?x=1", "//mcp", "/%2e%2e/mcp", "/mcp%00", "*", "/é"))
        )
        body = self.body(method, version) if verb == "POST" or chance() < 0.2 else b""
        headers: list[tuple[str, str]] = [("Host", pick(("localhost",) * 30 + ("evil.example",)))]
        headers.append(
            ("Authorization", pick((f"Bearer {ALL}",) * 12 + (f"Bearer {READER}", "Bearer x", "", "Basic eA==")))
        )
        headers.append(("Accept", pick(("application/json, text/event-stream",) * 9 + ("*/*", "text/html", ""))))
        headers.append(
            ("Content-Type", pick(("application/json",) * 9 + ("text/plain", "", "application/json; charset=x")))
        )
        if version:
            headers.append(("MCP-Protocol-Version", version))
        if chance() < 0.6:
            headers.append(("Mcp-Session-Id", pick((*self.sessions, "x", "\t"))))
        if chance() < 0.5:
            headers += [
                ("Mcp-Method", pick((method, "x"))),
                ("Mcp-Name", pick((*TOOLS, "=?base64?!?=", "=?base64?eA==?="))),
            ]
        if chance() < 0.2:
            headers.append(("Origin", pick((PAGE, "null", "http://evil.example", "http://localhost:1", "http://["))))
        if chance() < 0.1:
            headers.append(("Access-Control-Request-Method", "POST"))
        if chance() < 0.1:
            headers.append(
                (pick(("Last-Event-Id", "X-Forwarded-For", "Expect", "Mcp-Param-X")), pick(("1", "x" * 2000, "é")))
            )
        self.random.shuffle(headers)
        length = len(body) if chance() < 0.97 else self.random.randrange(len(body) + 1)
        return written(verb, path, headers, body, length)


def written(verb: str, path: str, headers: Sequence[tuple[str, str]], body: bytes, length: int) -> bytes:
    """A request as bytes."""
    head = f"{verb} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
    return head.encode() + f"Content-Length: {length}\r\nConnection: close\r\n\r\n".encode() + body


class Errors(logging.Handler):
    """Keeps what is logged as an error: nothing that a client sends may be one here."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(f"{record.name}: {record.getMessage()}")


@contextmanager
def listening_for_errors() -> Generator[Errors]:
    found = Errors()
    logging.getLogger().addHandler(found)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(found)


async def exchanged(port: int, request: bytes) -> bytes:
    """What comes back for a request, up to the end of the connection or a while into a stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = b""
    try:
        writer.write(request)
        await writer.drain()
        async with asyncio.timeout(WAIT_S):
            while b"\r\n\r\n" not in found and (part := await reader.read(65_536)):
                found += part
        if b"text/event-stream" in found.lower():
            return found  # a stream of notices may stay open for as long as its client likes
        async with asyncio.timeout(WAIT_S):
            while part := await reader.read(65_536):
                found += part
    except ConnectionError:
        return found
    except TimeoutError:
        return found or b"(no answer)"
    finally:
        writer.transport.abort()
    return found


def problem_of(answer: bytes, errors: Sequence[str]) -> str:
    """What is wrong with an answer; "" for nothing."""
    status = int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0
    if answer == b"(no answer)":
        return "no answer"
    if answer and not status:
        return f"no HTTP: {answer[:80]!r}"
    if status >= 500:
        return f"status {status}: {answer[:400]!r}"
    if ALL.encode() in answer or b"Traceback" in answer or b"site-packages" in answer:
        return f"it tells what it should not: {answer[:400]!r}"
    return f"logged: {errors[-1]}" if errors else ""


async def fuzzed(seed: int, count: int, folder: Path) -> list[str]:
    """Send so many requests; each of those with a problem, in words, with the seed that makes it again."""
    odd, problems = Odd(seed), list[str]()
    options: Any = {"clients": CLIENTS, "rate_per_s": 0, "allowed_origins": [PAGE]}
    async with running(folder) as bridge, serving(bridge, **options) as address:
        port = int(address.rpartition(":")[2].partition("/")[0])
        with listening_for_errors() as errors:
            for number in range(count):
                if number % 50 == 0:
                    request = odd.hello()
                else:
                    request = odd.nearly_right() if odd.random.random() < 0.6 else odd.request()
                answer = await exchanged(port, request)
                if b"mcp-session-id: " in answer and len(odd.sessions) < 6:
                    odd.sessions.append(answer.partition(b"mcp-session-id: ")[2].partition(b"\r\n")[0].decode())
                if problem := problem_of(answer, errors.told):
                    problems.append(f"seed {seed}, request {number}: {problem}\n{request[:600]!r}")
                    errors.told.clear()
    return problems


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        found = asyncio.run(fuzzed(int(sys.argv[1]), int(sys.argv[2]), Path(name)))
    sys.stdout.write("\n".join([*found, f"{len(found)} problems\n"]))
    sys.exit(bool(found))
