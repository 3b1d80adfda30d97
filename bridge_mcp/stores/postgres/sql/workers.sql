-- name: workers_alive(silent_s)
-- Those that said lately that they live, the longest there first.
SELECT CAST(body AS text), since, seen FROM workers
WHERE seen >= bridge_now() - :silent_s
ORDER BY since, id;
