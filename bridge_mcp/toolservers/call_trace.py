"""The trace of a call on its way to a nested server: as `_meta` over pipes, as OpenTelemetry's context over HTTP.

There the SDK makes spans of its own where the process records any, and puts the context into the request either way.
Where no call has a trace, nothing of this is done.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from bridge_mcp.core.entries import TraceContext

__all__ = ["attached", "called_in", "trace_meta"]

CALL_TRACE: ContextVar[TraceContext | None] = ContextVar("bridge_mcp_call_trace", default=None)
"""The trace of the call that this task makes."""


@contextmanager
def called_in(trace: TraceContext | None) -> Generator[None]:
    """Make a call as part of this trace."""
    if trace is None:
        yield
        return
    token = CALL_TRACE.set(trace)
    try:
        yield
    finally:
        CALL_TRACE.reset(token)


def trace_meta() -> Mapping[str, str]:
    """The trace context of the call as `_meta` of its request (SEP-414)."""
    trace = CALL_TRACE.get()
    if trace is None:
        return {}
    return {"traceparent": trace.parent, **({"tracestate": trace.state} if trace.state else {})}


@contextmanager
def attached() -> Generator[None]:
    """Have the libraries of the connection take the call's trace for the current one."""
    meta = trace_meta()
    if not meta:
        yield
        return
    from opentelemetry import context, propagate

    token = context.attach(propagate.extract(meta))
    try:
        yield
    finally:
        context.detach(token)
