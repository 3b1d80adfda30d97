"""OpenTelemetry (extra `otel`): traces and metrics of the bridge, sent by OTLP, and not loaded where it is off."""
