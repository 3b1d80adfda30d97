-- name: add_spending(scope, day, model, calls, input_tokens, output_tokens, cached_tokens, nano_usd, unpriced, latency_ms)
INSERT INTO spending
    (scope, day, model, calls, input_tokens, output_tokens, cached_tokens, nano_usd, unpriced, latency_ms)
VALUES
    (:scope, :day, :model, :calls, :input_tokens, :output_tokens, :cached_tokens, :nano_usd, :unpriced, :latency_ms)
ON CONFLICT (scope, day, model) DO UPDATE SET
    calls = spending.calls + excluded.calls,
    input_tokens = spending.input_tokens + excluded.input_tokens,
    output_tokens = spending.output_tokens + excluded.output_tokens,
    cached_tokens = spending.cached_tokens + excluded.cached_tokens,
    nano_usd = spending.nano_usd + excluded.nano_usd,
    unpriced = spending.unpriced + excluded.unpriced,
    latency_ms = spending.latency_ms + excluded.latency_ms;
