"""In which trace a client asks for something: that of the request's own span, or the one that its `_meta` names."""

from __future__ import annotations

import time
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from msgspec.structs import replace
from opentelemetry import trace

from bridge_mcp.core.entries import TraceContext
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.trace_context import parse_trace

__all__ = ["in_its_trace", "measure_requests", "records_spans"]


def measure_requests() -> ServerMiddleware[Any]:
    """A middleware of the SDK's server that measures how long requests take (`mcp.server.operation.duration`)."""
    from opentelemetry import metrics  # where nobody measures, it is not loaded

    durations = metrics.get_meter("bridge_mcp").create_histogram("mcp.server.operation.duration", unit="s")

    async def measure(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        began, error = time.monotonic(), {"error.type": "exception"}
        try:
            result = await call_next(ctx)
            failed = isinstance(result, dict) and result.get("isError") is True
            error = {"error.type": "tool_error"} if failed else {}
            return result
        finally:
            durations.record(time.monotonic() - began, {"mcp.method.name": ctx.method, **error})

    return measure


def records_spans() -> bool:
    """Whether this process records spans: somebody has set up OpenTelemetry, the bridge or a program around it."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def in_its_trace(who: Principal, ctx: ServerRequestContext[Any, Any]) -> Principal:
    """Who asks, in the trace of this request."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        parent = f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"
        return replace(who, trace=TraceContext(parent, span.trace_state.to_header()))
    parent_trace = parse_trace(ctx.meta)
    return who if parent_trace is None else replace(who, trace=parent_trace)
