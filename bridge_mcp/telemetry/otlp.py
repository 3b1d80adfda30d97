"""OpenTelemetry's SDK in this process: it sends spans and metrics by OTLP over HTTP, and has the libraries record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import anyio.to_thread
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from bridge_mcp.core.spans import Span
from bridge_mcp.telemetry.settings import TelemetrySettings

__all__ = ["Otlp"]

logger = logging.getLogger(__name__)

KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT, "producer": SpanKind.PRODUCER}
CLOSE_S = 5.0
"""How long the last spans and metrics may take when the process ends."""
TIMEOUT_S = 10
"""How long a collector may take for one request."""
METRIC_LABELS = ("gen_ai.operation.name", "gen_ai.request.model", "gen_ai.tool.name", "mcp.method.name",
                 "bridge.outcome", "bridge.verdict")  # fmt: skip
"""The attributes of spans that metrics keep: never a conversation, a call or a person."""


class Otlp:
    """What sends spans and metrics of this process; made once for it."""

    def __init__(self, settings: TelemetrySettings, version: str) -> None:
        base = settings.endpoint.rstrip("/")
        self.settings = settings
        self._scope = InstrumentationScope("bridge_mcp", version)
        self._resource = Resource.create({"service.name": settings.service, "service.version": version})
        self._spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=TIMEOUT_S)
        self._tracers = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.sample)), resource=self._resource, shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=TIMEOUT_S)
        self._tracers.add_span_processor(BatchSpanProcessor(exporter))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=TIMEOUT_S))
        self._meters = MeterProvider([reader], resource=self._resource, shutdown_on_exit=False)
        meter = self._meters.get_meter("bridge_mcp", version)
        self._durations: Mapping[str, metrics.Histogram] = {
            name: meter.create_histogram(name, unit="s")
            for name in (
                "gen_ai.client.operation.duration",
                "mcp.client.operation.duration",
                "bridge.turn.duration",
                "bridge.approval.duration",
                "bridge.delivery.duration",
            )
        }
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", unit="{token}")

    def take_over(self) -> None:
        """Be what the libraries of this process record with, unless a program around it has set up its own."""
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(self._tracers)
            metrics.set_meter_provider(self._meters)

    async def export(self, spans: Sequence[Span]) -> bool:
        """Send spans; whether the collector took them. Their durations are metrics from then on."""
        sampled = [self._readable(span) for span in spans if self._is_sampled(span)]
        if sampled:
            outcome = await anyio.to_thread.run_sync(self._spans.export, sampled, abandon_on_cancel=True)
            if outcome is not SpanExportResult.SUCCESS:
                logger.warning("%d spans were not taken by %s; trying again", len(sampled), self.settings.endpoint)
                return False
        for span in spans:
            self._measure(span)
        return True

    def _is_sampled(self, span: Span) -> bool:
        """By the client's word, or by the trace's id: every process says the same of it."""
        own = int(span.trace[16:], 16) < self.settings.sample * (1 << 64)
        return span.sampled and own

    def _readable(self, span: Span) -> ReadableSpan:
        """A span as the SDK's exporters take it."""
        return ReadableSpan(
            span.name,
            context=context_of(span.trace, span.id),
            parent=context_of(span.trace, span.parent) if span.parent else None,
            resource=self._resource,
            attributes={**span.attributes, **({"error.type": span.error} if span.error else {})},
            links=[Link(context_of(*each)) for each in span.links],
            kind=KINDS[span.kind],
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=int(span.start * 1e9),
            end_time=int(span.end * 1e9),
            instrumentation_scope=self._scope,
        )

    def _measure(self, span: Span) -> None:
        name = metric_of(span)
        if name is None:
            return
        labels = {key: str(span.attributes[key]) for key in METRIC_LABELS if key in span.attributes}
        if span.error:
            labels["error.type"] = span.error
        self._durations[name].record(span.end - span.start, labels)
        for kind in ("input", "output"):
            tokens = span.attributes.get(f"gen_ai.usage.{kind}_tokens")
            if isinstance(tokens, int) and tokens:
                self._tokens.record(tokens, {**labels, "gen_ai.token.type": kind})

    async def close(self) -> None:
        """Send what is left, for a moment."""
        stops: tuple[Callable[[], object], ...] = (
            self._tracers.shutdown,
            lambda: self._meters.shutdown(timeout_millis=CLOSE_S * 1000),
            self._spans.shutdown,
        )
        for stop in stops:
            with anyio.move_on_after(CLOSE_S, shield=True):
                await anyio.to_thread.run_sync(stop, abandon_on_cancel=True)


def context_of(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def metric_of(span: Span) -> str | None:
    """The metric that a span's duration belongs to; None for a moment."""
    match span.name.partition(" ")[0]:
        case "chat":
            return "gen_ai.client.operation.duration"
        case "execute_tool":
            return "mcp.client.operation.duration"
        case "invoke_agent":
            return "bridge.turn.duration"
        case "approval":
            return "bridge.approval.duration"
        case "send":
            return "bridge.delivery.duration"
        case _:
            return None
