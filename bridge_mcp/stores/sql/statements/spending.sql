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

-- name: spending_between(scope, first, last)
-- One row for each day of a stretch and model; `last` belongs to it.
SELECT day, model, calls, input_tokens, output_tokens, cached_tokens, nano_usd, unpriced, latency_ms
FROM spending
WHERE scope = :scope AND day >= :first AND day <= :last
ORDER BY day, model;

-- name: spending_total(scope)
-- One row for each day and model.
SELECT
    CAST(coalesce(sum(calls), 0) AS bigint), CAST(coalesce(sum(input_tokens), 0) AS bigint), CAST(coalesce(sum(output_tokens), 0) AS bigint),
    CAST(coalesce(sum(cached_tokens), 0) AS bigint), CAST(coalesce(sum(nano_usd), 0) AS bigint), CAST(coalesce(sum(unpriced), 0) AS bigint),
    CAST(coalesce(sum(latency_ms), 0) AS bigint)
FROM spending
WHERE scope = :scope;

-- name: spending_rows(scope)
SELECT day, model, calls, input_tokens, output_tokens, cached_tokens, nano_usd, unpriced, latency_ms
FROM spending
WHERE scope = :scope
ORDER BY day, model;

-- name: spending_scopes()
SELECT DISTINCT scope FROM spending;
