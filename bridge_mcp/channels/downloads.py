"""Downloads files of messages: what they may have at most, and what is said of a larger one."""

from __future__ import annotations

from collections.abc import AsyncIterable

from bridge_mcp.core.errors import FetchFailed

__all__ = ["bounded", "too_large"]


async def bounded(chunks: AsyncIterable[bytes], name: str, most: int) -> bytes:
    """The bytes of a file, counted as they arrive.

    Raises:
        FetchFailed: there are more than `most`.
    """
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > most:
            raise too_large(name, most)
    return bytes(data)


def too_large(name: str, most: int, size: int | None = None) -> FetchFailed:
    """The error for a file that is larger than its caller takes."""
    has = f"has {size:,} bytes" if size is not None else "is larger"
    return FetchFailed(f"{name} {has}; at most {most:,} are taken.", fix="Ask for a smaller version of it.")
