"""Answers over HTTP before the SDK's parser sees them: only what it would refuse is written anew."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import httpx2
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_mcp.toolservers.tolerant_http import EventStream, readable

PLAIN = (b"", b"{}", b'{"a": "\xc3\xa4 \\u00e4"}', b"no JSON", b'{"a": [' + b"[],[" * 50)
HALF = b'{"a": "\\ud800"}'


class Chunks(httpx2.AsyncByteStream):
    """A body that comes in these chunks."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self.chunks = chunks
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


async def events(chunks: Sequence[bytes]) -> bytes:
    return b"".join([part async for part in EventStream(Chunks(chunks))])


async def test_what_the_parser_takes_is_not_touched() -> None:
    for body in PLAIN:
        assert await readable(body) == body


async def test_what_it_refuses_is_written_anew_and_what_is_no_json_stays() -> None:
    assert json.loads(await readable(HALF)) == {"a": "\ufffd"}
    assert json.loads(await readable(b'{"a": "\xff"}')) == {"a": "\ufffd"}
    assert await readable(b"\xff no JSON") == b"\xff no JSON"
    deep = b'{"id": 7, "result": ' + b"[" * 300 + b"]" * 300 + b"}"
    assert json.loads(await readable(deep))["id"] == 7
    assert "nested more than 200" in json.loads(await readable(deep))["error"]["message"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([*PLAIN, b"data: x", b"\n", b"\r\n", b"\r", b":", b"data:"])), st.integers(1, 9))
async def test_a_stream_without_anything_odd_passes_as_it_is(parts: list[bytes], size: int) -> None:
    whole = b"".join(parts)
    assert await events([whole[at : at + size] for at in range(0, len(whole), size)]) == whole


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40))
async def test_data_of_an_event_is_mended_wherever_its_stream_is_cut(size: int) -> None:
    whole = b"event: message\r\ndata: " + HALF + b"\r\n\r\ndata:{}\n\n"
    mended = await events([whole[at : at + size] for at in range(0, len(whole), size)])
    assert mended == b'event: message\r\ndata:{"a": "\\ufffd"}\r\n\r\ndata:{}\n\n'


async def test_closing_reaches_the_stream() -> None:
    chunks = Chunks([])
    await EventStream(chunks).aclose()
    assert chunks.closed
