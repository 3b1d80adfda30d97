"""A collector on loopback that takes OTLP over HTTP as the protocol says (protobuf), and keeps what it is sent."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

__all__ = ["Collector", "Received", "collector"]


@dataclass(frozen=True)
class Received:
    """One span as it came."""

    name: str
    trace: str
    id: str
    parent: str
    kind: str
    attributes: dict[str, object]
    error: bool
    links: tuple[str, ...]
    service: str


@dataclass
class Collector:
    """What was sent, and whether anything is taken."""

    address: str = ""
    spans: list[Received] = field(default_factory=list[Received])
    metrics: list[Metric] = field(default_factory=list[Metric])
    refuses: bool = False
    refused: threading.Event = field(default_factory=threading.Event)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, path: str, body: bytes) -> None:
        with self._changed:
            if path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    service = str(values(resource.resource.attributes)["service.name"])
                    for scope in resource.scope_spans:
                        self.spans += [received(span, service) for span in scope.spans]
            else:
                assert path == "/v1/metrics", path
                for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    for scope in resource.scope_metrics:
                        self.metrics += scope.metrics
            self._changed.notify_all()

    def until(self, *names: str, seconds: float = 30.0) -> list[Received]:
        """All spans, once there is one of each of these names."""
        with self._changed:
            there = self._changed.wait_for(lambda: set(names) <= {span.name for span in self.spans}, seconds)
            assert there, f"{set(names) - {span.name for span in self.spans}} never came; {self.spans}"
            return list(self.spans)

    def until_metrics(self, *names: str, seconds: float = 30.0) -> list[Metric]:
        """All metrics, once there is one of each of these names."""
        with self._changed:
            there = self._changed.wait_for(lambda: set(names) <= {each.name for each in self.metrics}, seconds)
            assert there, f"{set(names) - {each.name for each in self.metrics}} never came"
            return list(self.metrics)


def received(span: Span, service: str) -> Received:
    return Received(
        span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), Span.SpanKind.Name(span.kind),
        values(span.attributes), span.status.code == Status.STATUS_CODE_ERROR,
        tuple(link.trace_id.hex() for link in span.links), service,
    )  # fmt: skip


def values(pairs: object) -> dict[str, object]:
    return {pair.key: value(pair.value) for pair in pairs}  # pyright: ignore


def value(given: AnyValue) -> object:
    kind = given.WhichOneof("value")
    if kind == "array_value":
        return [value(each) for each in given.array_value.values]
    return getattr(given, kind) if kind else None


@contextmanager
def collector() -> Generator[Collector]:
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.headers["content-type"] == "application/x-protobuf"
            if made.refuses:
                made.refused.set()
                self.send_error(400)
                return
            made.take(self.path, body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Prints nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield made
        finally:
            server.shutdown()
