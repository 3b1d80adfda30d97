-- name: add_spending(scope, day, model, calls, input_tokens, output_tokens, cached_tokens, nano_usd, unpriced, latency_ms)
-- Summed, and in one order, so that no two that write wait for each other.
INSERT INTO spending
    (scope, day, model, calls, input_tokens, output_tokens, cached_tokens, nano_usd, unpriced, latency_ms)
SELECT
    scope, day, model, sum(calls), sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(nano_usd),
    sum(unpriced), sum(latency_ms)
FROM unnest(
    CAST(:scope AS text[]), CAST(:day AS bigint[]), CAST(:model AS text[]), CAST(:calls AS bigint[]),
    CAST(:input_tokens AS bigint[]), CAST(:output_tokens AS bigint[]), CAST(:cached_tokens AS bigint[]),
    CAST(:nano_usd AS bigint[]), CAST(:unpriced AS bigint[]), CAST(:latency_ms AS bigint[])
) AS t (scope, day, model, calls, input_tokens, output_tokens, cached_tokens, nano_usd, unpriced, latency_ms)
GROUP BY scope, day, model
ORDER BY scope, day, model
ON CONFLICT (scope, day, model) DO UPDATE SET
    calls = spending.calls + excluded.calls,
    input_tokens = spending.input_tokens + excluded.input_tokens,
    output_tokens = spending.output_tokens + excluded.output_tokens,
    cached_tokens = spending.cached_tokens + excluded.cached_tokens,
    nano_usd = spending.nano_usd + excluded.nano_usd,
    unpriced = spending.unpriced + excluded.unpriced,
    latency_ms = spending.latency_ms + excluded.latency_ms;
