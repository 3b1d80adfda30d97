"""An MCP server of few words, run as a script: standard library alone, so that a test starts it in a moment.

It answers with exactly the bytes that it means to, tells which messages came, and can ask its host, change its tools,
take its time, and die.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

OBJECT = {"type": "object"}
ME = {"name": "behind", "version": "1"}
HEARD: list[dict[str, Any]] = []
READS: dict[str, Any] = {"inputSchema": OBJECT, "annotations": {"readOnlyHint": True}}
ODD: list[dict[str, Any]] = [
    {"name": "halves", "description": "\ud800", "inputSchema": {"type": "object", "title": "\udfff"}},
    *(
        {"name": name, "description": "Odd", "inputSchema": OBJECT}
        for name in ("half \U0001f600", "*", "line\nend", "")
    ),
    {"name": "x" * 5000, "description": "y" * 1_000_000, "inputSchema": {"type": "object", "maximum": float("nan")}},
    {"name": "half \ud83d", "inputSchema": OBJECT},
    {"name": 7, "inputSchema": OBJECT},
]
"""Tools whose names and definitions are odd."""
WAITING: dict[Any, Any] = {}
"""Requests of ours to the host, each with the id of the call that it is for."""


def tools() -> list[dict[str, Any]]:
    """What there is; `look` says of itself that it only reads."""
    changed = ", and more" if {"changed": True} in HEARD else ""
    return [
        {
            "name": "look",
            "title": "Look",
            "description": f"Looks{changed}",
            "inputSchema": OBJECT,
            "annotations": {"readOnlyHint": True},
            "outputSchema": {"type": "object"},
            "_meta": {"vendor/x": 1},
        },
        {"name": "act", "description": "Acts", "inputSchema": OBJECT},
        *(ODD if {"odd": True} in [each.get("params") for each in HEARD] else []),
        {"name": "slow", "description": "Is slow", "inputSchema": OBJECT, "annotations": {"readOnlyHint": True}},
    ]


def say(**message: Any) -> None:
    """Send a message, with odd spaces: nobody may write it anew."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}, separators=(" , ", " : ")) + "\n")
    sys.stdout.flush()


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}], **more}


def call(number: Any, params: dict[str, Any]) -> None:
    """A call of a tool."""
    given: dict[str, Any] = params.get("arguments") or {}
    match given.get("odd"):
        case "deep":
            return say(id=number, result=text("", structuredContent=json.loads('{"a":' * 300 + "1" + "}" * 300)))
        case "long number":
            return say(id=number, result=text("", structuredContent={"n": 10**400}))
        case "half":
            return say(id=number, result=text("\ud800"))
        case _:
            pass
    match given.get("do"):
        case "die":
            os._exit(3)
        case "wait":
            say(
                method="notifications/progress",
                params={"progressToken": params["_meta"]["progressToken"], "progress": 1},
            )
        case "ask":
            WAITING["from-server"] = number
            say(id="from-server", method="sampling/createMessage", params={"maxTokens": 1})
        case "change":
            HEARD.append({"changed": True})
            say(method="notifications/tools/list_changed")
            say(id=number, result=text("changed"))
        case "fail":
            say(id=number, result=text("it failed", isError=True))
        case "error":
            say(id=number, error={"code": -32050, "message": "no", "data": {"why": [1]}})
        case "input" if "requestState" not in params:
            say(id=number, result={"resultType": "input_required", "requestState": "s1", "inputRequests": {}})
        case _:
            runs = sum(each["method"] == "tools/call" for each in HEARD if "method" in each)
            told = text(f"run {runs}: {json.dumps(given)}", structuredContent={"n": runs}, _meta={"vendor/y": 2})
            say(id=number, result=told)


def answer(message: dict[str, Any]) -> None:
    """Do what a message wants."""
    number: Any = message.get("id")
    params: dict[str, Any] = message.get("params") or {}
    match message.get("method"):
        case "initialize":
            say(id=number, result={"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": ME})
        case "tools/list" if {"mute": True} in [each.get("params") for each in HEARD]:
            pass
        case "tools/list":
            start, many = (
                int(params.get("cursor") or 0),
                2_500 if {"many": True} in [each.get("params") for each in HEARD] else 0,
            )
            page = [{"name": f"many {n}", **READS} for n in range(start, min(start + 500, many))]
            more = {"nextCursor": str(start + 500)} if start + 500 < many else {}
            say(id=number, result={"tools": page if start else [*tools(), *page], "extra": True, **more})
        case "tools/call":
            call(number, params)
        case "early":
            say(id=params["id"], result=text("nobody asked"))
            say(id=number, result={})
        case "heard":
            say(id=number, result={"heard": HEARD})
        case "change":
            HEARD.append({"changed": True})
            say(method="notifications/tools/list_changed")
            say(id=number, result={})
        case None if number in WAITING:
            say(id=WAITING.pop(number), result=text(f"the host says {json.dumps(message['result'])}"))
        case str() as method if number is not None:
            say(id=number, error={"code": -32601, "message": method})
        case _:
            pass


def main() -> None:
    """Until the input ends."""
    for line in sys.stdin:
        for each in line.splitlines():  # as readers do that know more ends of a line than one
            with suppress(ValueError):
                message = json.loads(each)
                HEARD.append(message)
                answer(message)


if __name__ == "__main__":
    main()
