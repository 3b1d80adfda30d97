-- name: caller_lives(name)
INSERT INTO callers (name, seen) VALUES (:name, bridge_now())
ON CONFLICT (name) DO UPDATE SET seen = excluded.seen;

-- name: caller_leaves(name)
DELETE FROM callers WHERE name = :name;

-- name: forget_callers(gone_s)
DELETE FROM callers WHERE seen < bridge_now() - :gone_s;

-- name: callers_alive(names, silent_s)
-- Those that said lately that they live. After a restart of the server all get the time to say so again.
SELECT name FROM callers
WHERE name = ANY(:names) AND (
    seen >= bridge_now() - :silent_s OR pg_postmaster_start_time() > now() - make_interval(secs => :silent_s)
);
