"""The one framer of lines: however a stream is cut, the same lines, at a cost in time and memory that has a bound."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.line_buffer import ENDS, LineBuffer, LongLine

STREAMS = st.binary(max_size=400) | st.lists(st.sampled_from([b"\n", b"a", b"bc" * 40, b"\r", b"\n\n"])).map(b"".join)


def chunks(stream: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    return (stream[start:end] for start, end in pairwise(edges))


def read(parts: Iterator[bytes], limit: int) -> tuple[list[bytes | LongLine], bytes | LongLine]:
    buffer = LineBuffer(limit)
    lines = [line for part in parts for line in buffer.feed(part)]
    return lines, buffer.end()


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 400), max_size=12), limit=st.integers(0, 100))
def test_any_chunking_gives_the_lines_of_the_stream(stream: bytes, cuts: list[int], limit: int) -> None:
    wanted = [line if len(line) <= limit else LongLine.of(line) for line in stream.split(b"\n")]
    lines, rest = read(chunks(stream, cuts), limit)
    assert [*lines, rest] == wanted


@given(st.integers(0, 3 * ENDS), st.lists(st.integers(0, 3 * ENDS), max_size=8))
def test_of_a_line_that_is_too_long_both_ends_are_kept(size: int, cuts: list[int]) -> None:
    line = bytes(number % 241 + 11 for number in range(size))
    (found,), rest = read(chunks(line + b"\n", cuts), 100)
    assert found == (line if size <= 100 else LongLine(line[:ENDS], line[-ENDS:], size))
    assert rest == b""


def test_a_buffer_says_how_much_of_a_line_came_and_that_it_is_too_long() -> None:
    buffer = LineBuffer(10)
    assert buffer.feed(b"x" * 10) == []
    assert (buffer.size, buffer.overflowed) == (10, False)
    buffer.feed(b"x")
    assert (buffer.size, buffer.overflowed) == (11, True)
    buffer.feed(b"x" * 100 + b"\n123")
    assert (buffer.size, buffer.overflowed) == (3, False)


@pytest.mark.parametrize("chunk", [1, 1023, 1024, 65_536])
def test_memory_is_bounded_whatever_the_size_of_the_chunks(chunk: int) -> None:
    limit = 100_000
    part = b"x" * chunk
    tracemalloc.start()
    try:
        buffer = LineBuffer(limit)
        for _ in range(3 * limit // chunk):
            buffer.feed(part)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert buffer.overflowed
    assert most < 2.5 * limit + 65_536


def spent(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("chunk", [16, 4096])
def test_time_grows_with_the_length_of_a_line_and_no_faster(chunk: int) -> None:
    part = b"x" * chunk

    def line(size: int) -> None:
        buffer = LineBuffer(10**9)
        for _ in range(size // chunk):
            buffer.feed(part)
        assert len(buffer.feed(b"\n")) == 1

    short, long = spent(lambda: line(500_000)), spent(lambda: line(4_000_000))
    assert long < 8 * 4 * short + 0.05
