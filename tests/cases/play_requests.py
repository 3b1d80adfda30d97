"""Plays plain HTTP requests against the face: `[http]` settings in the first line, then one request a line.

    [http] allowed_origins = ["http://localhost:6274"]
    OPTIONS /mcp  Origin: http://localhost:6274  Access-Control-Request-Method: POST
    POST /mcp     Origin: http://localhost:6274  with the token: initialize

Two spaces stand between the parts of a line. `(the same)` repeats the headers of the line before that are not given
again; `with the token` and `without a token` say who asks, and `: METHOD` what for.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.integration.face_child import ALL, CLIENTS, running
from tests.integration.test_scopes import serving

__all__ = ["Request", "Seen", "play", "played"]

TOLD = ("access-control-", "vary", "retry-after", "www-authenticate", "mcp-session-id")
HELLO: Mapping[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "page", "version": "1"},
}


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the file."""

    line: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    asks: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back: the status, the headers that matter here, and the error of the body."""

    request: Request
    status: int
    headers: Mapping[str, str]
    error: str


def read(text: str) -> tuple[Mapping[str, Any], list[Request]]:
    """The settings and the requests of a file."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines[0].startswith("["):
        return {}, list(requests(lines))
    settings: Mapping[str, Any] = tomllib.loads(lines[0].replace("] ", "]\n", 1))["http"]
    return settings, list(requests(lines[1:]))


def requests(lines: list[str]) -> Iterator[Request]:
    before: dict[str, str] = {}
    for line in lines:
        start, *parts = re.split(r"\s{2,}", line)
        method, _, path = start.partition(" ")
        headers: dict[str, str] = {}
        asks = ""
        for part in parts:
            name, colon, value = part.partition(":")
            if part == "(the same)":
                headers = before | headers
            elif name.strip().lower() in ("with the token", "without a token"):
                asks = value.strip() or "initialize"
                if name.strip().lower() == "with the token":
                    headers["authorization"] = f"Bearer {ALL}"
            elif colon:
                headers[name.strip()] = value.strip()
        before = headers
        yield Request(line, method, path.strip(), headers=headers, asks=asks)


async def played(text: str) -> list[Seen]:
    """Every request in turn, each on its own."""
    settings, asked = read(text)
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as bridge, serving(bridge, clients=CLIENTS, **settings) as address:
            async with httpx2.AsyncClient(timeout=20) as http:
                return [await sent(http, address.removesuffix("/mcp"), each) for each in asked]


async def sent(http: httpx2.AsyncClient, base: str, asked: Request) -> Seen:
    headers = dict(asked.headers)
    body: bytes | None = None
    if asked.method == "POST":
        headers |= {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        method = asked.asks or "initialize"
        params: Mapping[str, Any] = HELLO if method == "initialize" else {}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    response = await http.request(asked.method, base + asked.path, headers=headers, content=body)
    told = {name: value for name, value in response.headers.items() if name.startswith(TOLD)}
    is_json = response.headers.get("content-type", "").startswith("application/json")
    return Seen(
        asked, response.status_code, told, error=str(response.json().get("error_description", "")) if is_json else ""
    )


def play(path: Path) -> str:
    """A transcript: each request, the status, and the headers that say who may read what."""
    lines: list[str] = []
    for seen in asyncio.run(played(path.read_text("utf-8"))):
        lines += [f"> {seen.request.line}", f"  {seen.status} {seen.error}".rstrip()]
        lines += [f"  {name}: {value}" for name, value in sorted(seen.headers.items())]
    return "\n".join(lines)
