"""Errors as callers see them: a code, what failed, and the fix; no internals.

All exceptions end here: a `BridgeError` is shown, any other is logged, and its message is only a reference to the log.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import uuid4

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from msgspec import Struct

from bridge_mcp.core.errors import BridgeError, NotFound

__all__ = ["Fault", "fault_of", "map_errors", "naming"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
P = TypeVar("P")

MAX_MESSAGE = 4_000
"""Characters of one message: an error never carries a caller's big value back."""


class Fault(Struct, frozen=True):
    """An error as its caller sees it."""

    code: str
    message: str
    fix: str = ""

    @property
    def text(self) -> str:
        """One line: message, fix and code."""
        between = "\n" if "\n" in self.message else " "
        return f"{self.message}{between}{self.fix}".strip()

    def body(self) -> dict[str, dict[str, str]]:
        """The structured content: code, message and fix."""
        return {"error": {"code": self.code, "message": self.message, "fix": self.fix}}


def fault_of(exc: Exception, where: str) -> Fault:
    """The fault for an exception in `where`, which names it in the log."""
    if isinstance(exc, BridgeError):
        message = str(exc).removesuffix(exc.fix).rstrip()
        return Fault(exc.code, clip(message), clip(exc.fix))
    reference = uuid4().hex[:8]
    logger.error("internal error %s in %s", reference, where, exc_info=exc)
    return Fault(
        "internal",
        f"Internal error {reference} in {where}.",
        f"Look for {reference} in the bridge's log; whether the call took effect is not known.",
    )


RESOURCE_NOT_FOUND = -32002
"""The code up to 2025-11-25 (server/resources); 2026-07-28 uses -32602 instead."""


@contextmanager
def naming(ctx: ServerRequestContext[Any, Any], uri: str) -> Generator[None]:
    """Turn NotFound into the protocol error of the client's era, with the resource's URI."""
    try:
        yield
    except NotFound as exc:
        fault = fault_of(exc, "resources")
        modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        code = INVALID_PARAMS if modern else RESOURCE_NOT_FOUND
        raise MCPError(code, fault.text, {**fault.body(), "uri": clip(uri)}) from None


def map_errors(
    where: str, handler: Callable[[ServerRequestContext[Any, Any], P], Awaitable[T]]
) -> Callable[[ServerRequestContext[Any, Any], P], Awaitable[T]]:
    """Wrap a handler: its errors become protocol errors with the same body as those of tools."""

    async def handle(ctx: ServerRequestContext[Any, Any], params: P) -> T:
        try:
            return await handler(ctx, params)
        except MCPError:
            raise
        except Exception as exc:
            fault = fault_of(exc, where)
            code = INTERNAL_ERROR if fault.code == "internal" else INVALID_PARAMS
            raise MCPError(code, fault.text, fault.body()) from None

    return handle


def clip(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}… ({len(text):,} characters)"
