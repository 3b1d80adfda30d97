"""Lines over descriptors: the same lines however the bytes come in; a peer that is too fast is held back."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.line_buffer import TooLong
from bridge_mcp.server.stdio.line_io import AHEAD, MAX_LINE, LineReader, LineSink, open_lines

LINES = st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"").strip()), max_size=8)


@given(lines=LINES, cuts=st.lists(st.integers(0, 200), max_size=10))
def test_where_the_bytes_are_cut_does_not_matter(lines: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(line + b"\r\n" for line in lines) + b"a rest without an end"
    edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    reader = LineReader()
    for start, end in pairwise(edges):
        reader.data_received(whole[start:end])
    reader.eof_received()
    assert asyncio.run(everything(reader)) == [line for line in lines if line]


async def everything(reader: LineReader) -> list[bytes]:
    found: list[bytes] = []
    while (line := await reader.next()) is not None:
        found.append(line)
    return found


async def test_a_line_that_is_too_long_is_reported_once_and_dropped() -> None:
    reader = LineReader()
    for _ in range(18):
        reader.data_received(b"x" * (MAX_LINE // 16))
    reader.data_received(b"\nnext\n")
    with pytest.raises(TooLong):
        await reader.next()
    assert await reader.next() == b"next"


async def test_a_reader_that_falls_behind_holds_the_peer_back() -> None:
    reading, writing = os.pipe()
    out_reading, out_writing = os.pipe()
    lines, sink = await open_lines(reading, out_writing)
    os.set_blocking(writing, False)
    offered = memoryview(b"x\n" * AHEAD * 4)
    written = still = 0
    while still < 100:
        try:
            written += os.write(writing, offered[written:])
            still = 0
        except BlockingIOError:
            still += 1
        await asyncio.sleep(0)
    os.close(writing)
    assert written < AHEAD * 4
    async with asyncio.timeout(10):
        assert len(await everything(lines)) == written // 2
    await sink.close()
    for fd in (reading, out_reading, out_writing):
        os.close(fd)


async def write_on(sink: LineSink) -> None:
    while True:
        await sink.write(b"anybody there?\n")
        await asyncio.sleep(0)


async def test_a_peer_that_is_gone_is_an_error_and_closing_does_not_hang() -> None:
    reading, writing = os.pipe()
    out_reading, out_writing = os.pipe()
    lines, sink = await open_lines(reading, out_writing)
    os.close(out_reading)
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionError):
            await write_on(sink)
        await sink.close()
    lines.end()
    assert await lines.next() is None
    for fd in (reading, writing, out_writing):
        os.close(fd)
