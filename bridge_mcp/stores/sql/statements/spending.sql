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
