"""Which event streams become plain answers: those whose first event is an answer, and no others."""

from __future__ import annotations

from typing import Any

import pytest

from bridge_mcp.server.http.json_responses import JsonResponseMiddleware

STREAM = [(b"content-type", b"text/event-stream"), (b"mcp-session-id", b"s"), (b"connection", b"keep-alive")]
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"a":"b"}}'


async def told(*events: bytes, method: str = "POST", headers: list[tuple[bytes, bytes]] | None = None) -> list[Any]:
    """What is sent for a stream of these events."""
    found: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers or STREAM})
        for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        found.append(message)

    await JsonResponseMiddleware(app)({"type": "http", "method": method}, receive, send)
    return found


@pytest.mark.parametrize("id_", [b"1", b"-5", b'"a-b"', b'""'])
@pytest.mark.parametrize("kind", [b"result", b"error"])
async def test_an_answer_alone_is_plain_json(id_: bytes, kind: bytes) -> None:
    answer = b'{"jsonrpc":"2.0","id":%s,"%s":{"text":"%s"}}' % (id_, kind, b"x" * 2_000_000)
    start, body = await told(b"event: message\r\ndata: " + answer + b"\r\n\r\n")
    assert dict(start["headers"]) == {
        b"mcp-session-id": b"s",
        b"content-type": b"application/json",
        b"content-length": str(len(answer)).encode(),
    }
    assert body == {"type": "http.response.body", "body": answer}


@pytest.mark.parametrize(
    "first",
    [
        b'event: message\r\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"result":1}}\r\n\r\n',
        b'event: message\r\ndata: {"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"error":1}}\r\n\r\n',
        b'event: message\r\ndata: {"jsonrpc":"2.0","id":null,"error":{}}\r\n\r\n',
        b": ping - 2026-11-28\r\n\r\n",
        b"id: 1\r\ndata: \r\n\r\n",
        b"",
    ],
)
async def test_a_stream_that_begins_otherwise_stays_one(first: bytes) -> None:
    events = (first, b"event: message\r\ndata: " + ANSWER + b"\r\n\r\n")
    start, *bodies = await told(*events)
    assert start["headers"] == STREAM
    assert [each["body"] for each in bodies] == [*events, b""]


async def test_other_answers_pass_as_they_are() -> None:
    event = b"event: message\r\ndata: " + ANSWER + b"\r\n\r\n"
    assert (await told(event, method="GET"))[0]["headers"] == STREAM
    plain = [(b"content-type", b"application/json")]
    assert (await told(ANSWER, headers=plain))[0]["headers"] == plain
