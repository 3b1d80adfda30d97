"""The endpoint: answers a host's requests with the calls that `loop.go` makes, and hands it what the host shows.

A request that offers none of the bridge's tools is one of the host's own (a title, a summary) and is answered in words.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

from aiohttp import web

from tests.hosts.loop import go
from tests.hosts.model.wire import Asked, Dialect, Event, Shown, whole_text

__all__ = ["AnyModel", "ScriptedModel", "served"]

LAST = "approve_call"
"""The tool by which the bridge's are known; what stands before it is how the host spells them all."""
LONGEST_REQUEST = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call under way: its id, the tool as the bridge names it, and who waits for what the host shows of it."""

    id: str
    tool: str
    arguments: dict[str, Any]
    shown: asyncio.Future[Shown]


class AnyModel(Protocol):
    """Whatever answers a host's requests in its dialect."""

    dialect: Dialect

    async def answer(self, body: Mapping[str, Any]) -> list[Event]:
        """The events that answer a request."""
        ...


class ScriptedModel:
    """One run of the script. `found` holds which checks hold once it ended, `requests` counts what came in."""

    def __init__(self, dialect: Dialect, hidden: Sequence[str] = ()) -> None:
        self.dialect = dialect
        self.hidden = hidden
        self.requests = 0
        self.offered: list[str] = []
        """The tools of the last request that was not of the bridge."""
        self.script: asyncio.Task[dict[str, bool]] | None = None
        self._calls: asyncio.Queue[Wanted] = asyncio.Queue()
        self._open: Wanted | None = None
        self._turn = asyncio.Lock()
        self._made = 0

    async def call(self, tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        """Have the host call a tool: the first JSON object in what it shows its model, and whether a picture came."""
        self._made += 1
        wanted = Wanted(f"call_{self._made}", tool, arguments, shown=asyncio.get_running_loop().create_future())
        await self._calls.put(wanted)
        shown = await wanted.shown
        return first_object(shown.text), shown.image

    async def answer(self, body: Mapping[str, Any]) -> list[Event]:
        """The events that answer a request."""
        self.requests += 1
        asked = self.dialect.asked(body)
        before = next((name.removesuffix(LAST) for name in asked.tools if name.endswith(LAST)), None)
        if before is None:
            self.offered = asked.tools
            return list(self.dialect.says("Fine."))
        names = [name for name in asked.tools if name.startswith(before)]
        async with self._turn:
            wanted = await self.next_call(asked, names)
        if wanted is None:
            return list(self.dialect.says("That is all."))
        return list(self.dialect.calls(wanted.id, before + wanted.tool, wanted.arguments))

    async def next_call(self, asked: Asked, names: list[str]) -> Wanted | None:
        """The call to make now; None where the script is at its end. Without a result the same one again."""
        if self.script is None:
            self.script = asyncio.create_task(go(names, self.call, self.hidden))
        if self._open is not None:
            if self._open.id not in asked.results:
                return self._open
            self._open.shown.set_result(asked.results[self._open.id])
            self._open = None
        coming = asyncio.create_task(self._calls.get())
        await asyncio.wait({coming, self.script}, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            coming.cancel()
            return None
        self._open = coming.result()
        return self._open


def first_object(text: str) -> str:
    """The first JSON object of ours in a text, whatever a host writes around a result.

    Raises:
        ValueError: there is none.
    """
    for found in re.finditer(r"[{\[]", text):
        try:
            value, _ = json.JSONDecoder().raw_decode(text, found.start())
        except ValueError:
            continue
        return json.dumps(unwrapped(value))
    raise ValueError(f"the host showed no JSON: {text[:300]!r}")


def unwrapped(value: object) -> object:
    """A result without the list of blocks or the whole answer of the protocol that a host shows it in."""
    if isinstance(value, str):
        return json.loads(value)
    if isinstance(value, list) and value:
        return unwrapped(cast("list[object]", value)[0])
    if isinstance(value, dict):
        body = cast("dict[str, object]", value)
        if isinstance(body.get("content"), list):
            return unwrapped(body["content"])
        if body.get("type") == "text":
            return unwrapped(body["text"])
    return cast("object", value)


@asynccontextmanager
async def served(model: AnyModel) -> AsyncGenerator[str]:
    """The endpoint's address, without a path, as long as this is entered."""

    async def take(request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        dialect = model.dialect
        if not request.path.endswith(dialect.suffix):
            return web.json_response(dialect.whole(list(dialect.says("Fine."))))
        events = await model.answer(body)
        if body.get("stream", dialect.streams):
            return web.Response(body=whole_text(events, dialect.ended), content_type="text/event-stream")
        return web.json_response(dialect.whole(events))

    async def told(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": []})

    app = web.Application(client_max_size=LONGEST_REQUEST)
    app.add_routes([web.post("/{path:.*}", take), web.get("/{path:.*}", told)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
